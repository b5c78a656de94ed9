// The pages of the filter in a real Chromium: what axe-core finds in them, and whether they fit a window.
//
// axe-core is part of the browser's window and not of the page: the page's policy stays as it is.

import { spawnSync } from 'node:child_process';
import axe from 'axe-core';
import { ROOT } from './process.mjs';

/** Every page that a refusal can be, for this configuration and language, by examples/pages.rs: [{reason, status, headers, body}]. */
export function renderedPages(fields, { language, environment }) {
  const input = `${JSON.stringify({ fields, language, environment })}\n`;
  const run = spawnSync('cargo', ['run', '--quiet', '--locked', '--example', 'pages'], { cwd: ROOT, input, encoding: 'utf8', maxBuffer: 1 << 28 });
  if (run.status !== 0) throw new Error(`cargo run --example pages: ${run.error?.message ?? run.stderr.slice(-2000)}`);
  return run.stdout.trimEnd().split('\n').map(JSON.parse);
}

/** Makes axe-core known in every page of this context. */
export const withAxe = (context) => context.addInitScript({ content: axe.source });

export const WIDTHS = [320, 1280];
export const SCHEMES = [
  { colorScheme: 'light', forcedColors: 'none' },
  { colorScheme: 'dark', forcedColors: 'none' },
  { colorScheme: 'light', forcedColors: 'active' },
];

/** What is wrong with the page that is shown, at every width and in every scheme of colours: a list of texts. */
export async function faultsOf(page) {
  const faults = [];
  for (const width of WIDTHS) {
    await page.setViewportSize({ width, height: 800 });
    const layout = await page.evaluate(measured);
    if (layout.across > width) faults.push(`${width}: the page is ${layout.across} wide`);
    if (layout.outside.length > 0) faults.push(`${width}: outside of the card: ${layout.outside}`);
    if (Math.abs(layout.left - layout.right) > 1) faults.push(`${width}: the card has ${layout.left} on its left, ${layout.right} on its right`);
    for (const scheme of SCHEMES) {
      await page.emulateMedia(scheme);
      const found = await page.evaluate(violations);
      faults.push(...found.map((fault) => `${width} ${scheme.colorScheme} ${scheme.forcedColors}: ${fault}`));
    }
  }
  return faults;
}

/** In the browser: how wide everything is, how far the card is from both sides of the window, and what stands outside of the card. */
function measured() {
  const { scrollWidth, clientWidth } = document.documentElement;
  const card = document.querySelector('main').getBoundingClientRect();
  const outside = [...document.querySelectorAll('main *')].filter((element) => {
    const { left, right } = element.getBoundingClientRect();
    return left < card.left || right > card.right || element.scrollWidth > element.clientWidth + 1;
  });
  return { across: scrollWidth, left: card.left, right: clientWidth - card.right, outside: outside.map(({ tagName }) => tagName).join(' ') };
}

/** In the browser: what axe-core finds, and what it cannot decide. */
async function violations() {
  const { violations, incomplete } = await globalThis.axe.run(document, { resultTypes: ['violations', 'incomplete'] });
  return [...violations, ...incomplete].flatMap(({ id, nodes }) => nodes.map((node) => `${id} at ${node.target}: ${node.failureSummary}`));
}
