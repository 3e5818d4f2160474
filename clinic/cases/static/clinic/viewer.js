// Shows the slice and the window that are chosen.
'use strict';
(() => {
  const [viewer, slice, number, preset, which, missing] =
    ['viewer', 'slice', 'number', 'preset', 'which', 'missing'].map((id) => document.getElementById(id));
  const some = { prepared: viewer.dataset.prepared, heat: viewer.dataset.heat };
  const show = () => {
    const index = String(number.value - 1);
    const of = some[preset.value];
    const there = of === undefined || of.split(',').includes(index);
    missing.hidden = there; slice.hidden = !there;
    which.value = number.value;
    slice.alt = slice.alt.replace(/\d+$/, number.value);
    if (there) slice.src = viewer.dataset.file.replace('slice-N-P', `slice-${index}-${preset.value}`);
  };
  number.addEventListener('input', show);
  preset.addEventListener('input', show);
})();
