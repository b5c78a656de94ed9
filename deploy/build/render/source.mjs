// A shipped Envoy file (envoy/NAME.yaml) as a document from which the files of other places are derived. Comments and order are kept.
//
// It knows the structure of such a file, and nothing about any place to deploy to. It never writes a file.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseDocument, visit } from 'yaml';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Longer lines are broken. */
const WIDTH = 140;

/** `{environment_variable: NAME}`, which the filter's configuration accepts in place of a text. */
export const variable = (name) => ({ environment_variable: name });

/** The shipped file envoy/NAME.yaml. */
export const shipped = (name = 'bff') => new Bootstrap(readFileSync(`${ROOT}envoy/${name}.yaml`, 'utf8'));

/** A text as a YAML document that may be changed. */
export function yaml(text) {
  const document = parseDocument(text, { merge: true });
  if (document.errors.length > 0) throw document.errors[0];
  return document;
}

/** A document as text, below a comment that explains it. */
export function written(document, head) {
  document.commentBefore = head
    .trim()
    .split('\n')
    .map((line) => ` ${line}`)
    .join('\n');
  return document.toString({ lineWidth: WIDTH, flowCollectionPadding: false, indentSeq: false });
}

export class Bootstrap {
  constructor(text) {
    this.document = yaml(text);
  }

  // Paths of the parts of the file, for `get`, `set`, `add` and `remove`.

  listener(index = 0) {
    return ['static_resources', 'listeners', index];
  }

  get manager() {
    return this.#named([...this.listener(), 'filter_chains', 0, 'filters'], 'envoy.filters.network.http_connection_manager', ['typed_config']);
  }

  filter(name) {
    return this.#named([...this.manager, 'http_filters'], name);
  }

  /** The plugin, as Envoy sees it: its name, `vm_config`, `configuration` and the rest. */
  get plugin() {
    return [...this.filter('envoy.filters.http.wasm'), 'typed_config', 'config'];
  }

  /** The filter's own configuration. */
  get configuration() {
    return [...this.plugin, 'configuration', 'value'];
  }

  cluster(name) {
    return this.#named(['static_resources', 'clusters'], name);
  }

  #named(list, name, below = []) {
    const index = (this.get(list) ?? []).findIndex((member) => member.name === name);
    if (index < 0) throw new Error(`${list.join('.')} has no ${name}`);
    return [...list, index, ...below];
  }

  // Reading and changing.

  /** The plain value at a path, or undefined. */
  get(path) {
    const node = this.document.getIn(path, true);
    return node?.toJS?.(this.document) ?? node;
  }

  /** Replaces the value at a path; comments inside the old value are lost. */
  set(path, value) {
    const node = this.#node(value);
    node.spaceBefore = this.document.getIn(path, true)?.spaceBefore;
    this.document.setIn(path, node);
    return this;
  }

  /** Appends a value to the list at a path. */
  add(path, value) {
    this.document.addIn(path, this.#node(value));
    return this;
  }

  /** Inserts clusters, as YAML with their comments, before another one. */
  insertCluster(text, before) {
    const { items } = this.document.getIn(['static_resources', 'clusters']);
    const more = yaml(text).contents.items;
    for (const item of more) item.spaceBefore = true;
    items.splice(this.cluster(before).at(-1), 0, ...more);
    return this;
  }

  /** Removes the value at a path. It is an error if there is none, so that a renamed field is noticed. */
  remove(path) {
    if (!this.document.deleteIn(path)) throw new Error(`there is no ${path.join('.')}`);
    return this;
  }

  /** A value as a YAML node, with short maps and lists on one line, as in the files that are written by hand. */
  #node(value) {
    const node = this.document.createNode(value);
    const shorten = (_, each) => {
      if (JSON.stringify(each.toJS(this.document)).length <= 90) each.flow = true;
    };
    visit(node, { Map: shorten, Seq: shorten });
    return node;
  }

  /** The document as text, below a comment that says what it is and how to use it. */
  text(head) {
    return written(this.document, head);
  }

  /** The whole document as a plain value. */
  value() {
    return this.document.toJS();
  }
}
