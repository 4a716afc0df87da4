// What pages do beyond HTML: colours change without a reload. Everything works without this file.

for (const form of document.querySelectorAll('[data-theme-switch]')) {
  form.addEventListener('submit', async (event) => {
    const theme = event.submitter?.value;
    if (!theme || form.dataset.plain) return;
    event.preventDefault();
    const body = new FormData(form, event.submitter);
    const answer = await fetch(form.action, { method: 'POST', body, redirect: 'manual' }).catch(() => undefined);
    if (!answer || answer.status >= 400) {
      form.dataset.plain = 'yes';
      form.requestSubmit(event.submitter);
      return;
    }
    document.documentElement.dataset.theme = theme;
    for (const button of document.querySelectorAll('[data-theme-switch] button')) {
      button.setAttribute('aria-pressed', String(button.value === theme));
    }
  });
}
