# Lets this package build against ROS 2 from Python wheels (PyPI) as well as from apt.
# It never touches a build against ROS from apt: there nothing is found and nothing dropped.
#
# The wheels' exported targets name include directories of the machine that built
# them (/opt/python/...); CMake refuses targets whose include directories do not exist.

find_package(Python3 COMPONENTS Interpreter REQUIRED)

# One prefix per place where a wheel can lie: under pip's build isolation the build
# requirements are installed apart from the environment.
execute_process(
  COMMAND "${Python3_EXECUTABLE}" -c
    "import importlib.util as u, pathlib; s = u.find_spec('ament_package'); print(pathlib.Path(s.origin).parents[4].as_posix() if s else '')"
  OUTPUT_VARIABLE _wheels_prefix
  OUTPUT_STRIP_TRAILING_WHITESPACE
  COMMAND_ERROR_IS_FATAL ANY
)

if(_wheels_prefix AND EXISTS "${_wheels_prefix}/share/ament_cmake/cmake")
  message(STATUS "ROS 2 from Python wheels in ${_wheels_prefix}")
  list(APPEND CMAKE_PREFIX_PATH "${_wheels_prefix}")
  if(NOT "$ENV{AMENT_PREFIX_PATH}" MATCHES "(^|:)${_wheels_prefix}(:|$)")
    if("$ENV{AMENT_PREFIX_PATH}" STREQUAL "")
      set(ENV{AMENT_PREFIX_PATH} "${_wheels_prefix}")
    else()
      set(ENV{AMENT_PREFIX_PATH} "$ENV{AMENT_PREFIX_PATH}:${_wheels_prefix}")
    endif()
  endif()
endif()

function(stroke_side_drop_absent_include_directories)
  get_property(targets DIRECTORY PROPERTY IMPORTED_TARGETS)
  foreach(target IN LISTS targets)
    get_target_property(directories ${target} INTERFACE_INCLUDE_DIRECTORIES)
    if(NOT directories)
      continue()
    endif()
    set(present "")
    foreach(directory IN LISTS directories)
      if(directory MATCHES "\\$<" OR EXISTS "${directory}")
        list(APPEND present "${directory}")
      endif()
    endforeach()
    set_target_properties(${target} PROPERTIES INTERFACE_INCLUDE_DIRECTORIES "${present}")
  endforeach()
endfunction()

# Deferred to the end of this directory: find_package adds targets until then, and
# CMake looks at the directories only when it generates.
cmake_language(DEFER CALL stroke_side_drop_absent_include_directories)
