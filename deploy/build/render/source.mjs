// A shipped Envoy file (envoy/NAME.yaml) as a document from which the files of other places are derived. Comments and order stay as they are written.
//
// It knows where things stand in such a file, and nothing about any place. It never writes.

import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { parseDocument, visit } from 'yaml';

export const ROOT = fileURLToPath(new URL('../../..', import.meta.url));

/** Wider lines are broken. */
const WIDTH = 140;

/** `{environment_variable: NAME}`, which stands for a text of the filter's configuration. */
export const variable = (name) => ({ environment_variable: name });

/** envoy/NAME.yaml. */
export const shipped = (name = 'bff') => new Bootstrap(readFileSync(`${ROOT}envoy/${name}.yaml`, 'utf8'));

/** A text as a YAML value that is ours to change. */
export function yaml(text) {
  const document = parseDocument(text, { merge: true });
  if (document.errors.length > 0) throw document.errors[0];
  return document;
}

/** A document as text, under a comment that says what it is. */
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

  // Where things stand. Each is a path for `get`, `set` and `remove`.

  listener(index = 0) {
    return ['static_resources', 'listeners', index];
  }

  get manager() {
    return this.#named([...this.listener(), 'filter_chains', 0, 'filters'], 'envoy.filters.network.http_connection_manager', ['typed_config']);
  }

  filter(name) {
    return this.#named([...this.manager, 'http_filters'], name);
  }

  /** What Envoy calls the plugin: its name, `vm_config`, `configuration` and the rest. */
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

  /** What stands there becomes this value; comments below it go. */
  set(path, value) {
    const node = this.#node(value);
    node.spaceBefore = this.document.getIn(path, true)?.spaceBefore;
    this.document.setIn(path, node);
    return this;
  }

  /** One more member of a list. */
  add(path, value) {
    this.document.addIn(path, this.#node(value));
    return this;
  }

  /** It must be there, so that a renamed field is noticed. */
  remove(path) {
    if (!this.document.deleteIn(path)) throw new Error(`there is no ${path.join('.')}`);
    return this;
  }

  /** What is short stands on one line, as it does where it was written by hand. */
  #node(value) {
    const node = this.document.createNode(value);
    const shorten = (_, each) => {
      if (JSON.stringify(each.toJS(this.document)).length <= 90) each.flow = true;
    };
    visit(node, { Map: shorten, Seq: shorten });
    return node;
  }

  /** The document under another head, which says what this one is and how to use it. */
  text(head) {
    return written(this.document, head);
  }

  /** All of it as a plain value. */
  value() {
    return this.document.toJS();
  }
}
