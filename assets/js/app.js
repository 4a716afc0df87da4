// What pages do beyond HTML: colours change without a reload, texts are copied, charts are drawn. Everything can be read
// without this file.

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

/** What is in the page now, and in parts that come later. */
function prepare(part) {
  for (const button of part.querySelectorAll('[data-copy], [data-close-toast]')) button.hidden = false;
  const charts = part.querySelectorAll('[data-chart]');
  if (charts.length) drawCharts(charts);
}

document.addEventListener('click', async (event) => {
  const copy = event.target.closest('[data-copy]');
  if (copy) {
    await navigator.clipboard.writeText(copy.dataset.copy).catch(() => undefined);
    tell(copy.dataset.copied);
  }
  event.target.closest('[data-close-toast]')?.closest('.toast').remove();
});

/** Lists that open below a button close like menus: by Escape, which gives the focus back, and by a click elsewhere. */
for (const kind of ['keydown', 'click']) {
  document.addEventListener(kind, (event) => {
    for (const list of document.querySelectorAll('[data-dropdown][open]')) {
      const inside = list.contains(event.target);
      if (kind === 'click' ? inside : event.key !== 'Escape') continue;
      list.open = false;
      if (inside) list.querySelector('summary').focus();
    }
  });
}

/** A passing word where toasts are, for eyes and screen readers. */
function tell(text) {
  const toast = document.createElement('p');
  toast.className = 'toast';
  toast.textContent = text;
  document.getElementById('toasts')?.append(toast);
  setTimeout(() => toast.remove(), 4000);
}

// Filters that are not used stay out of the address.
document.addEventListener('htmx:configRequest', ({ detail }) => {
  if (detail.verb !== 'get') return;
  for (const [name, value] of [...detail.formData.entries()]) if (value === '') detail.formData.delete(name);
});

let chartScript;
const drawn = new Map();

/** Chart.js comes only to pages that have a chart. */
function loadChartScript() {
  chartScript ??= new Promise((resolve, reject) => {
    const script = document.createElement('script');
    script.src = document.querySelector('meta[name="chart-script"]').content;
    script.onload = resolve;
    script.onerror = reject;
    document.head.append(script);
  });
  return chartScript;
}

/** A colour of the style sheet as it is now: the canvas knows no light-dark(). */
function colour(name) {
  const probe = document.createElement('span');
  probe.style.color = `var(${name})`;
  document.body.append(probe);
  const found = getComputedStyle(probe).color;
  probe.remove();
  return found;
}

async function drawCharts(figures) {
  await Promise.all([loadChartScript(), document.fonts.ready]);
  for (const figure of figures) draw(figure);
}

function draw(figure) {
  const canvas = figure.querySelector('canvas');
  const data = JSON.parse(document.getElementById(figure.dataset.chart).textContent);
  figure.querySelector('.chart-canvas').hidden = false;
  drawn.get(canvas)?.destroy();
  drawn.set(canvas, new globalThis.Chart(canvas, chartOf(data)));
}

function chartOf(data) {
  const numbers = new Intl.NumberFormat(data.locale, { maximumFractionDigits: 2 });
  const round = data.kind === 'doughnut';
  const tones = (index, tone) => colour(tone ? `--color-${tone}` : `--chart-${(index % 7) + 1}`);
  const datasets = data.series.map((series, index) => {
    const fill = round ? series.values.map((_, place) => tones(place)) : tones(index, series.tone);
    return {
      label: series.name,
      data: series.values,
      backgroundColor: fill,
      borderColor: round ? colour('--color-surface') : fill,
      borderWidth: round ? 3 : data.kind === 'line' ? 2 : 0,
      borderRadius: 3,
      maxBarThickness: 26,
      pointRadius: 0,
      pointHitRadius: 12,
      // A doughnut has no axis to stack on, and Chart.js looks for it as soon as there is a stack.
      stack: data.stacked && !round ? 'all' : undefined,
    };
  });
  const ticks = { color: colour('--color-muted'), font: { family: 'Inter, sans-serif' } };
  const line = colour('--color-line');
  const axes = {
    x: { stacked: data.stacked, grid: { display: false }, border: { color: line }, ticks: { ...ticks, maxTicksLimit: 9, maxRotation: 0 } },
    y: { stacked: data.stacked, beginAtZero: true, grid: { color: line }, border: { display: false }, ticks: { ...ticks, maxTicksLimit: 6, callback: (value) => numbers.format(value) } },
  };
  return {
    type: data.kind,
    data: { labels: data.labels, datasets },
    options: {
      maintainAspectRatio: false,
      animation: false,
      cutout: round ? '66%' : undefined,
      interaction: round ? {} : { mode: 'index', intersect: false },
      scales: round ? {} : axes,
      font: { family: 'Inter, sans-serif' },
      plugins: {
        legend: {
          display: round || data.series.length > 1,
          position: round ? 'right' : 'top',
          align: round ? 'center' : 'end',
          labels: { ...ticks, color: colour('--color-ink'), boxWidth: 10, boxHeight: 10, useBorderRadius: true, borderRadius: 3, font: { family: 'Inter, sans-serif' } },
        },
        tooltip: {
          callbacks: { label: (item) => ` ${round ? item.label : item.dataset.label}: ${numbers.format(item.raw)} ${data.unit}` },
        },
      },
    },
  };
}

// A form that was not accepted comes back with what is wrong beside its fields.
document.addEventListener('htmx:beforeSwap', (event) => {
  if (event.detail.xhr.status !== 422) return;
  event.detail.shouldSwap = true;
  event.detail.isError = false;
});

const redraw = () => { for (const canvas of drawn.keys()) if (canvas.isConnected) draw(canvas.closest('[data-chart]')); };
new MutationObserver(redraw).observe(document.documentElement, { attributeFilter: ['data-theme'] });
matchMedia('(prefers-color-scheme: dark)').addEventListener('change', redraw);

prepare(document);
document.addEventListener('htmx:load', (event) => prepare(event.detail.elt));
