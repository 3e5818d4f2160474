// Shows the slice and the window that are chosen.
'use strict';
(() => {
  const [viewer, slice, number, preset, which, missing] =
    ['viewer', 'slice', 'number', 'preset', 'which', 'missing'].map((id) => document.getElementById(id));
  const prepared = new Set(viewer.dataset.prepared.split(','));
  const show = () => {
    const index = String(number.value - 1);
    const there = preset.value !== 'prepared' || prepared.has(index);
    missing.hidden = there; slice.hidden = !there;
    which.value = number.value;
    slice.alt = slice.alt.replace(/\d+$/, number.value);
    if (there) slice.src = viewer.dataset.file.replace('slice-N-P', `slice-${index}-${preset.value}`);
  };
  number.addEventListener('input', show);
  preset.addEventListener('input', show);
})();
