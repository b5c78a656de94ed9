// What the objects for Istio and for Envoy Gateway have in common: envoy/spa-tokens.yaml, taken apart.
//
// That file, because it has everything that such objects cannot say by themselves: an endpoint with a body, CORS in front of the filter, and answers that
// must not wait for ever. Whoever needs less leaves parts out. What differs between environments becomes a variable of Envoy's environment.

import { readFileSync } from 'node:fs';
import { Document, parseAllDocuments } from 'yaml';
import { ROOT, variable } from '../source.mjs';

/** What stands in the Secret, and what is written down beside the plugin. */
export const SECRETS = ['OIDC_CLIENT_SECRET', 'ACCREDIT_KEY', 'ACCREDIT_OTHER_KEY'];

const version = /^version = "(.+)"/m.exec(readFileSync(`${ROOT}Cargo.toml`, 'utf8'))[1];

/** The names under which upstreams may believe an identity, whatever is configured, as the filter knows them; a star stands for whatever follows. */
function alwaysOurs() {
  const rust = readFileSync(`${ROOT}src/access/believed.rs`, 'utf8');
  const named = (one) => (/^"(.+)"$/.exec(one) ?? new RegExp(`const ${one}: &str = "(.+)"`).exec(rust))[1];
  const listed = (list) => {
    const [, names] = new RegExp(`const ${list}: [^=]*= \\[([^\\]]*)\\]`).exec(rust);
    return names
      .replaceAll(/\/\/.*/g, '')
      .split(',')
      .map((one) => one.trim())
      .filter(Boolean)
      .map(named);
  };
  return [...listed('IDENTITY'), ...listed('IDENTITY_FAMILIES').map((family) => `${family}*`)];
}

/** The module as an image, its tag the version of the crate. */
export const MODULE = `registry.example.com/accredit:${version}`;

export class Parts {
  /** `cluster` is the provider's. */
  constructor(shipped, cluster) {
    this.source = shipped('spa-tokens');
    this.#forAnyEnvironment(cluster);
  }

  #forAnyEnvironment(cluster) {
    const { source } = this;
    const at = (...path) => [...source.configuration, ...path];
    const provider = at('providers', 0);
    source.set(at('origins'), [variable('ACCREDIT_ORIGIN')]);
    source.set(at('trusted_origins'), [variable('FRONT_ORIGIN')]);
    source.set([...provider, 'name'], 'sso');
    const metadata = source.document.getIn(provider).items.find(({ key }) => key.value === 'metadata');
    Object.assign(metadata, { key: source.document.createNode('issuer'), value: source.document.createNode(variable('OIDC_ISSUER'), { flow: true }) });
    source.set([...provider, 'clusters'], cluster);
    source.set([...provider, 'client_id'], variable('OIDC_CLIENT_ID'));
    source.set([...provider, 'redirect_uri'], variable('FRONT_CALLBACK'));
    source.set([...provider, 'bearer', 'audiences'], [variable('OIDC_CLIENT_ID')]);
    source.set(at('session', 'keys'), [variable('ACCREDIT_KEY'), variable('ACCREDIT_OTHER_KEY')]);
  }

  /** The filter's configuration, with the comments that it has where it was written. */
  get configuration() {
    return this.source.document.getIn(this.source.configuration);
  }

  /** The headers that may name somebody, each as a regular expression for all its spellings: many servers take any sign between the words for `-`. */
  get identityHeaders() {
    const { claim_to_headers: claims = [], forward } = this.configuration.toJSON();
    const configured = [...claims.map(({ header_name: name }) => name), forward?.identity_jwt?.header_name].filter(Boolean);
    return [...new Set([...alwaysOurs(), ...configured])].map((name) =>
      name
        .toLowerCase()
        .replace(/[^a-z0-9*]/g, '[^a-z0-9]')
        .replace('*', '.*'),
    );
  }

  /** One of the connection manager's filters. */
  filter(name) {
    return this.source.get(this.source.filter(name));
  }

  /** Of the connection manager, what keeps the filter's promises and what an edge needs. */
  manager(...names) {
    return Object.fromEntries(names.map((name) => [name, this.source.get([...this.source.manager, name])]));
  }

  /** The route of the endpoint with a body: it leads to nobody, and turns the buffer on. */
  get route() {
    return this.source.get([...this.source.manager, 'route_config', 'virtual_hosts', 0, 'routes']).find((route) => route.direct_response);
  }
}

/** YAML as it stands in a template, this many spaces from the left, after the first line. */
export function block(value, indent) {
  const document = value?.constructor?.name === 'YAMLMap' ? Object.assign(new Document(), { contents: value }) : new Document(value);
  const text = document.toString({ lineWidth: 140 - indent, flowCollectionPadding: false, indentSeq: false }).trimEnd();
  return text.replaceAll('\n', `\n${' '.repeat(indent)}`);
}

/** The objects in files of a folder below deploy/. */
export function objectsIn(folder, names) {
  return names.flatMap((name) => objectsOf(readFileSync(`${ROOT}deploy/${folder}/${name}`, 'utf8')));
}

export function objectsOf(text) {
  return parseAllDocuments(text).map((document) => {
    if (document.errors.length > 0) throw document.errors[0];
    return document.toJS();
  });
}
