// Takes one picture with the device's camera and puts it into the form's file field.
// The preview is turned like a mirror by the style sheet only; what is taken never is.
'use strict';
(() => {
  const camera = document.getElementById('camera');
  const [open, live, preview, take, taken, still, problem] =
    ['open', 'live', 'preview', 'take', 'taken', 'still', 'camera-problem'].map(
      (id) => document.getElementById(id));
  const field = document.getElementById('id_picture');
  const mirrored = document.getElementById('id_mirrored');
  const consent = document.getElementById('id_consent');
  camera.hidden = false;

  const say = (text) => { problem.textContent = text; problem.hidden = !text; };
  const stop = () => preview.srcObject && preview.srcObject.getTracks().forEach((t) => t.stop());

  open.addEventListener('click', async () => {
    if (!consent.checked) { say(camera.dataset.consent); consent.focus(); return; }
    say('');
    try {
      preview.srcObject = await navigator.mediaDevices.getUserMedia(
        { audio: false, video: { width: { ideal: 1280 }, height: { ideal: 720 }, facingMode: 'user' } });
      live.hidden = false; taken.hidden = true;
      await preview.play();
      take.focus();
    } catch (error) { say(camera.dataset.denied); }
  });

  take.addEventListener('click', () => {
    const canvas = document.createElement('canvas');
    canvas.width = preview.videoWidth; canvas.height = preview.videoHeight;
    canvas.getContext('2d').drawImage(preview, 0, 0);
    canvas.toBlob((blob) => {
      const files = new DataTransfer();
      files.items.add(new File([blob], 'camera.jpg', { type: 'image/jpeg' }));
      field.files = files.files;
      mirrored.checked = false;
      still.src = URL.createObjectURL(blob);
      stop();
      live.hidden = true; taken.hidden = false;
      field.form.querySelector('button:not([type=button])').focus();
    }, 'image/jpeg', 0.95);
  });
  window.addEventListener('pagehide', stop);
})();
