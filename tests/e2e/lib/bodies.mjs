// What docs/configuration.md asks for where an endpoint reads a body: Envoy's buffer directly after the filter, and a route that leads nowhere.

import { managerOf } from './gateway.mjs';

const BUFFER = 'type.googleapis.com/envoy.extensions.filters.http.buffer.v3';

/** Adds to a bootstrap what of it is missing, for this path. */
export function withBodies(bootstrap, path) {
  const manager = managerOf(bootstrap.static_resources.listeners[0]);
  const isOurs = ({ typed_config: config }) => config?.['@type']?.includes('wasm');
  const name = 'envoy.filters.http.buffer';
  const buffer = { name, disabled: true, typed_config: { '@type': `${BUFFER}.Buffer`, max_request_bytes: 65536 } };
  if (!manager.http_filters.some((filter) => filter.name === name)) manager.http_filters.splice(manager.http_filters.findIndex(isOurs) + 1, 0, buffer);
  manager.route_config.virtual_hosts[0].routes.unshift({
    match: { path },
    direct_response: { status: 404 },
    typed_per_filter_config: { [name]: { '@type': `${BUFFER}.BufferPerRoute`, buffer: { max_request_bytes: 65536 } } },
  });
}
