// Asks once a second how far the work is, and shows the result when it is done.
'use strict';
(() => {
  const panel = document.getElementById('progress');
  const ask = async () => {
    try {
      const answer = await fetch(panel.dataset.state, { headers: { Accept: 'application/json' } });
      const { state, progress } = await answer.json();
      document.getElementById('bar').value = progress;
      if (state === 'done' || state === 'failed') { window.location.reload(); return; }
    } catch (error) { /* the server is away for a moment: ask again */ }
    setTimeout(ask, 1000);
  };
  ask();
})();
