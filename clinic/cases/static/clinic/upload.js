// Sends a form with a bar that shows how much has gone; without it the form works all the same.
'use strict';
(() => {
  const send = (form) => {
    const bar = form.querySelector('.sending');
    const button = form.querySelector('button');
    const request = new XMLHttpRequest();
    bar.hidden = false; button.disabled = true;
    request.upload.onprogress = (event) => {
      if (event.lengthComputable) bar.querySelector('progress').value = 100 * event.loaded / event.total;
    };
    request.onload = () => {
      if (request.status === 200) { window.location.assign(request.responseURL); return; }
      const page = new DOMParser().parseFromString(request.responseText, 'text/html');
      const told = page.querySelector('main');
      if (!told) { window.location.assign('/'); return; }
      document.querySelector('main').replaceWith(document.adoptNode(told));
      document.dispatchEvent(new Event('replaced'));
      const first = document.querySelector('.errorlist, .note.error');
      if (first) { first.tabIndex = -1; first.focus(); }
    };
    request.onerror = () => { bar.hidden = true; button.disabled = false; };
    request.open('POST', form.action || window.location.href);
    request.send(new FormData(form));
  };
  document.addEventListener('submit', (event) => {
    if (!event.target.matches('[data-upload]')) return;
    event.preventDefault();
    send(event.target);
  });
})();
