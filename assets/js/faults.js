// What happens when a part of a page is answered with an error: the page stays, and a toast says why.

document.addEventListener('htmx:beforeSwap', (event) => {
  const { xhr } = event.detail;
  if (xhr.status < 400) return;
  // 422 is the form with its mistakes, and belongs in its place. A fault of ours says itself where it goes; the page of
  // a proxy on the way does not, and must not land in a list.
  if (xhr.status === 422 || xhr.getResponseHeader('HX-Retarget')) {
    event.detail.shouldSwap = true;
    event.detail.isError = xhr.status !== 422;
  } else if (!xhr.getResponseHeader('HX-Redirect')) {
    tell();
  }
});

// Whoever leaves the page cuts off what it still asks for; that is no fault.
let leaving = false;
addEventListener('pagehide', () => { leaving = true; });
addEventListener('pageshow', () => { leaving = false; });

for (const name of ['htmx:sendError', 'htmx:timeout']) document.addEventListener(name, tell);

function tell() {
  const toasts = document.getElementById('toasts');
  const text = document.getElementById('unreachable');
  if (leaving || !toasts || !text) return;
  toasts.append(text.content.cloneNode(true));
}
