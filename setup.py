"""Installs stroke_side_monitor as an ament_python package, by colcon or by pip.

It never pulls dependencies in: they are pinned in requirements/ and named in package.xml.
"""

from pathlib import Path

from setuptools import find_packages, setup

NAME = 'stroke_side_monitor'
ROOT = Path(__file__).parent


def share(folder: str) -> tuple[str, list[str]]:
    files = sorted(p for p in (ROOT / folder).iterdir() if p.is_file() and p.name[0] != '.')
    return f'share/{NAME}/{folder}', [str(p.relative_to(ROOT)) for p in files]


setup(
    name=NAME,
    version='0.1.0',
    packages=find_packages(include=[NAME, f'{NAME}.*']),
    package_data={NAME: ['py.typed']},
    data_files=[
        ('share/ament_index/resource_index/packages', [f'resource/{NAME}']),
        (f'share/{NAME}', ['package.xml']),
        share('launch'),
        share('config'),
        share('models'),
    ],
    python_requires='>=3.10',
    install_requires=['setuptools'],
    extras_require={'test': ['pytest']},
    zip_safe=False,
    author='stroke_side_monitor maintainers',
    maintainer='stroke_side_monitor maintainers',
    maintainer_email='maintainers@example.org',
    description="The affected side of a patient's face, and how badly, from a robot's camera.",
    license='Apache-2.0',
    entry_points={
        'console_scripts': [
            f'monitor = {NAME}.ros.__main__:monitor',
            f'wait_until_active = {NAME}.ros.wait_until_active:main',
            f'patient = {NAME}.ros.__main__:patient',
            f'assess = {NAME}.assess:main',
            f'report = {NAME}.report:main',
            f'simulate = {NAME}.simulation.__main__:main',
            f'score = {NAME}.simulation.score:main',
        ],
    },
)
