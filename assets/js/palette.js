// The search over any page: opened by Ctrl-K (Cmd-K) or a link with data-palette, walked with the arrow keys.
// With the arrows the focus stays in the field; what Enter would open is its aria-activedescendant.

const dialog = document.getElementById('palette');
if (dialog) prepare(dialog);

function prepare(palette) {
  const field = palette.querySelector('[role=combobox]');
  const list = document.getElementById('palette-hits');
  let active = -1;
  let shownFor;

  const options = () => [...list.querySelectorAll('[data-hit]')];

  function open() {
    if (palette.open) return;
    palette.showModal();
    field.select();
    // Asked for when it is opened and not with each page: most pages are left without a search.
    palette.dispatchEvent(new Event('palette-open'));
  }

  function mark(index) {
    const all = options();
    active = all.length ? (index + all.length) % all.length : -1;
    all.forEach((option, at) => option.setAttribute('aria-selected', String(at === active)));
    if (active < 0) {
      field.removeAttribute('aria-activedescendant');
      return;
    }
    field.setAttribute('aria-activedescendant', all[active].id);
    all[active].scrollIntoView({ block: 'nearest' });
  }

  function label(event) {
    shownFor = event.detail.requestConfig?.parameters.q ?? '';
    const box = list.querySelector('[data-hits]');
    field.setAttribute('aria-expanded', String(Boolean(box)));
    if (box) {
      box.id = 'palette-box';
      box.setAttribute('role', 'listbox');
      box.setAttribute('aria-label', palette.dataset.found);
    }
    options().forEach((option, at) => {
      option.id = `palette-hit-${at}`;
      option.setAttribute('role', 'option');
    });
    for (const group of list.querySelectorAll('.hits')) group.setAttribute('role', 'group');
    for (const title of list.querySelectorAll('.hits-title')) title.setAttribute('role', 'presentation');
    mark(0);
  }

  list.addEventListener('htmx:afterSwap', label);

  // The tab key walks them as well, as it does links everywhere.
  list.addEventListener('focusin', (event) => {
    const at = options().indexOf(event.target);
    if (at >= 0) mark(at);
  });

  field.addEventListener('keydown', (event) => {
    const step = { ArrowDown: 1, ArrowUp: -1 }[event.key];
    if (step) {
      event.preventDefault();
      mark(active + step);
    } else if (event.key === 'Enter' && !event.isComposing && field.value === shownFor && options()[active]) {
      // Whoever types faster than the answers come gets the page of the search instead of yesterday's first line.
      event.preventDefault();
      options()[active].click();
    }
  });

  palette.addEventListener('click', (event) => {
    const outside = event.target === palette;
    if (outside || event.target.closest('[data-palette-close]')) palette.close();
    // A question on the page that is open is only a jump: nothing would close the window over it.
    else if (event.target.closest('a[data-hit]')) palette.close();
  });

  for (const opener of document.querySelectorAll('[data-palette]')) {
    opener.addEventListener('click', (event) => {
      if (event.metaKey || event.ctrlKey || event.shiftKey) return;
      event.preventDefault();
      open();
    });
  }

  document.addEventListener('keydown', (event) => {
    if (event.key.toLowerCase() !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey || event.shiftKey) return;
    event.preventDefault();
    if (palette.open) palette.close();
    else open();
  });

  if (/mac|iphone|ipad/i.test(navigator.platform)) {
    for (const key of document.querySelectorAll('[data-key-search]')) key.textContent = '⌘K';
  }
}
