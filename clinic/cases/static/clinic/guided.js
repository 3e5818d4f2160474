// Records half a minute while asking for exercises, and sends the video with the times of the cues.
// The preview is turned like a mirror by the style sheet only; what is recorded never is.
'use strict';
(() => {
  const REST_S = 3, HOLD_S = 3;
  const wait = (s) => new Promise((resolve) => setTimeout(resolve, 1000 * s));

  const begin = async () => {
    const [stage, preview, prompt, countdown, button] =
      ['stage', 'preview', 'prompt', 'countdown', 'begin'].map((id) => document.getElementById(id));
    const form = document.getElementById('guided-form');
    const consent = document.getElementById('id_consent');
    if (!consent.checked) { prompt.textContent = stage.dataset.consent; consent.focus(); return; }
    let stream;
    try {
      stream = await navigator.mediaDevices.getUserMedia(
        { audio: false, video: { width: { ideal: 640 }, height: { ideal: 480 }, facingMode: 'user' } });
    } catch (error) { prompt.textContent = stage.dataset.denied; return; }
    button.disabled = true;
    preview.srcObject = stream; preview.hidden = false; countdown.hidden = false;
    await preview.play();
    stage.scrollIntoView({ block: 'nearest' });

    const parts = [], cues = [];
    const recorder = new MediaRecorder(stream, { videoBitsPerSecond: 4_000_000 });
    recorder.ondataavailable = (event) => parts.push(event.data);
    const started = new Promise((resolve) => { recorder.onstart = resolve; });
    recorder.start();
    await started;
    const zero = performance.now();
    const now = () => (performance.now() - zero) / 1000;
    const step = async (text, seconds) => {
      prompt.textContent = text;
      const end = now() + seconds;
      while (now() < end) { countdown.value = 100 * (end - now()) / seconds; await wait(0.1); }
    };

    for (const item of document.querySelectorAll('#plan li')) {
      item.setAttribute('aria-current', 'step');
      await step(`${stage.dataset.calm}. ${stage.dataset.ready} ${item.textContent}`, REST_S);
      const start_s = now();
      await step(`${stage.dataset.now} ${item.textContent}`, HOLD_S);
      cues.push({ exercise: item.dataset.exercise, start_s, stop_s: now() });
      item.removeAttribute('aria-current');
      item.classList.add('done');
    }
    await step(stage.dataset.calm, 1);

    const stopped = new Promise((resolve) => { recorder.onstop = resolve; });
    recorder.stop();
    await stopped;
    stream.getTracks().forEach((track) => track.stop());
    preview.hidden = true; countdown.hidden = true;
    prompt.textContent = stage.dataset.done;
    const files = new DataTransfer();
    files.items.add(new File([new Blob(parts)], 'exercises', { type: recorder.mimeType }));
    document.getElementById('id_video').files = files.files;
    document.getElementById('id_cues').value = JSON.stringify(cues);
    form.requestSubmit();
  };

  const connect = () => document.getElementById('begin').addEventListener('click', begin);
  connect();
  document.addEventListener('replaced', () => document.getElementById('begin') && connect());
})();
