// What looks like a secret in a text. It knows no file, and finds nothing in those that say `{environment_variable: NAME}`, `${NAME}`, or name a field.

/** All of it: long random words, private keys, and values of fields that are called so. The demo's passwords are documented: they are none. */
export function secretsIn(text) {
  const random = text.match(/(?<![\w/.@-])(?=[\w+/]*\d)(?=[\w+/]*[A-Za-z])[A-Za-z0-9+/]{32,}={0,2}(?![\w.-])/g) ?? [];
  const keys = text.match(/-----BEGIN [A-Z ]*PRIVATE KEY/g) ?? [];
  const named = [...text.matchAll(/["']?\b\w*(?:secret|password|token)["']?[ \t]*[:=][ \t]*["']?([^\s"',}]+)/gi)]
    .map(([all, value]) => [all, value])
    .filter(([, value]) => !/^(\$\{|\{|\[|"|'|`|\/|true|false|password$)/.test(value))
    .map(([all]) => all);
  return [...random, ...keys, ...named];
}
