// Builds the front end into static_build/: the style sheet, the scripts, the fonts and the icons that are used.
// Everything third-party comes from node_modules; nothing of it, and nothing built, is committed.
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, readdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const root = dirname(dirname(fileURLToPath(import.meta.url)));
const modules = join(root, 'node_modules');
const target = join(root, 'static_build');
const fresh = `${target}.new`;

const SUBSETS = ['latin', 'latin-ext', 'greek', 'cyrillic'];
const ICON = /\bicon[= (]"([a-z0-9-]+)"/g;

function sources(folder, endings) {
  return readdirSync(join(root, folder), { recursive: true })
    .filter((name) => endings.some((ending) => name.endsWith(ending)))
    .map((name) => readFileSync(join(root, folder, name), 'utf8'));
}

function iconNames() {
  const texts = [...sources('templates', ['.html']), ...sources('portal', ['.py'])];
  return new Set(texts.flatMap((text) => [...text.matchAll(ICON)].map((match) => match[1])));
}

rmSync(fresh, { recursive: true, force: true });
for (const folder of ['css', 'js/vendor', 'fonts', 'icons']) mkdirSync(join(fresh, folder), { recursive: true });
cpSync(join(root, 'assets/js'), join(fresh, 'js'), { recursive: true });
// Without the name of its source map: that is not shipped, and collectstatic refuses a file that names a missing one.
const chart = readFileSync(join(modules, 'chart.js/dist/chart.umd.min.js'), 'utf8');
writeFileSync(join(fresh, 'js/vendor/chart.js'), chart.replace(/^\/\/# sourceMappingURL=.*$/m, ''));
cpSync(join(root, 'assets/favicon.svg'), join(fresh, 'favicon.svg'));
for (const subset of SUBSETS) {
  const font = `inter-${subset}-opsz-normal.woff2`;
  cpSync(join(modules, '@fontsource-variable/inter/files', font), join(fresh, 'fonts', font));
}
for (const name of iconNames()) {
  cpSync(join(modules, 'lucide-static/icons', `${name}.svg`), join(fresh, 'icons', `${name}.svg`));
}
const tailwind = join(modules, '@tailwindcss/cli/dist/index.mjs');
const arguments_ = [tailwind, '-i', 'assets/css/app.css', '-o', join(fresh, 'css/app.css'), '--minify'];
execFileSync(process.execPath, arguments_, { cwd: root, stdio: ['ignore', 'ignore', 'pipe'] });

// In one step, so that a page asked for meanwhile finds either all of the old files or all of the new ones.
rmSync(target, { recursive: true, force: true });
renameSync(fresh, target);
