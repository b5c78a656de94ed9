// Finds what looks like a secret in a text. It ignores references such as `{environment_variable: NAME}` and `${NAME}`, and names of fields.

/** Everything that looks like a secret: long random words, private keys, and values of fields with such names. */
export function secretsIn(text) {
  const random = text.match(/(?<![\w/.@-])(?=[\w+/]*\d)(?=[\w+/]*[A-Za-z])[A-Za-z0-9+/]{32,}={0,2}(?![\w.-])/g) ?? [];
  const keys = text.match(/-----BEGIN [A-Z ]*PRIVATE KEY/g) ?? [];
  const named = [...text.matchAll(/["']?\b\w*(?:secret|password|token)["']?[ \t]*[:=][ \t]*["']?([^\s"',}]+)/gi)]
    .map(([all, value]) => [all, value])
    .filter(([, value]) => !/^(\$\{|\{|\[|"|'|`|\/|true|false|password$)/.test(value))
    .map(([all]) => all);
  return [...random, ...keys, ...named];
}
