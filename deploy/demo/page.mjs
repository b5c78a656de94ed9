// The layout of the demo's pages, and the only way to put text into them: html`…` escapes every value that was not itself made by html`…`.

class Markup {
  constructor(text) {
    this.text = text;
  }
  toString() {
    return this.text;
  }
}

const ENTITIES = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };
const escaped = (value) => String(value ?? '').replace(/[&<>"']/g, (character) => ENTITIES[character]);
const render = (value) => (Array.isArray(value) ? value.map(render).join('') : value instanceof Markup ? value.text : escaped(value));

export const html = (strings, ...values) => new Markup(String.raw({ raw: strings }, ...values.map(render)));
/** Our own text that needs no escaping: styles and scripts. */
export const trusted = (text) => new Markup(text);

const STYLE = trusted(`
  :root { color-scheme: light dark; --ink: #1b1f2a; --soft: #5f6779; --line: #e3e6ee; --ground: #f6f7fb; --card: #fff; --accent: #3454d1; --on-accent: #fff; --bad: #b3261e }
  @media (prefers-color-scheme: dark) { :root { --ink: #e8eaf2; --soft: #9aa2b6; --line: #2c3140; --ground: #12141b; --card: #1a1d27; --accent: #8ea4ff; --on-accent: #12141b; --bad: #ff8a80 } }
  * { box-sizing: border-box }
  body { margin: 0; background: var(--ground); color: var(--ink); font: 16px/1.6 system-ui, sans-serif }
  header { background: var(--card); border-bottom: 1px solid var(--line) }
  header > div, main { max-width: 46rem; margin: auto; padding: 0 1.25rem }
  header > div { display: flex; flex-wrap: wrap; align-items: center; gap: .5rem 1.25rem; min-height: 3.75rem; padding-block: .6rem }
  header strong { margin-right: auto }
  nav { display: flex; flex-wrap: wrap; gap: .25rem 1.1rem }
  nav a { color: var(--soft); text-decoration: none }
  nav a:hover, nav a[aria-current] { color: var(--ink) }
  main { padding-top: 2.5rem; padding-bottom: 4rem }
  main.narrow { max-width: 25rem; padding-top: 12vh }
  h1 { font-size: 1.7rem; line-height: 1.25; margin: 0 0 .5rem }
  a { color: var(--accent) }
  p.lead, small, dt, th { color: var(--soft) }
  .card { background: var(--card); border: 1px solid var(--line); border-radius: .75rem; padding: 1.25rem 1.5rem; margin: 1.25rem 0 }
  .card > p:last-child { margin-bottom: 0 }
  .bad { color: var(--bad) }
  dl { display: grid; grid-template-columns: max-content 1fr; gap: .4rem 1.5rem; margin: 0 }
  dd { margin: 0; overflow-wrap: anywhere }
  table { width: 100%; border-collapse: collapse }
  th, td { text-align: left; padding: .45rem 0; border-bottom: 1px solid var(--line); font-weight: normal }
  tr:last-child td { border: 0 }
  td:last-child, th:last-child { text-align: right; font-variant-numeric: tabular-nums }
  label { display: block; margin: 0 0 .9rem; font-size: .9rem; color: var(--soft) }
  input { display: block; width: 100%; margin-top: .25rem; padding: .6rem .75rem; font: inherit; color: inherit; background: var(--ground); border: 1px solid var(--line); border-radius: .5rem }
  button, .button { display: inline-block; padding: .55rem 1.1rem; font: inherit; color: var(--on-accent); background: var(--accent); border: 1px solid var(--accent); border-radius: .5rem; text-decoration: none; cursor: pointer }
  button.quiet { color: var(--soft); background: none; border-color: var(--line) }
  .row { display: flex; gap: .75rem; align-items: center }
  .row input { margin: 0; flex: 1 }
  header button, header .button { padding: .3rem .9rem }
  #status { margin: 0 } #status:empty { display: none } #chat { margin-top: 1rem }
  [hidden] { display: none !important }
  pre { overflow: auto; white-space: pre-wrap; overflow-wrap: anywhere; font-size: .85rem } pre:empty { display: none }
  #messages p { margin: .4rem 0 } #messages b { color: var(--soft); font-weight: 500; display: inline-block; min-width: 4.5rem }
`);

/** A whole document; pages that are only a form have no `header`. */
export const page = ({ title, header, body }) =>
  String(html`<!doctype html>
<html lang="en"><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1">
<title>${title}</title><link rel="icon" href="data:,"><style>${STYLE}</style>
${header ? html`<header><div>${header}</div></header><main>${body}</main>` : html`<main class="narrow">${body}</main>`}
</html>
`);
