// The bill of materials: CycloneDX, written and checked by the CycloneDX project's own library.
//
// A tool that only asks cargo would say less: it knows neither the checksum of the module nor the compiler whose standard library is in it. The same input
// gives the same bytes: there is no serial number, the date is that of the sources, and the order is that of `crates` (the library would sort by the
// alphabet of the machine's language).
import { createRequire } from 'node:module';
import { PackageURL } from 'packageurl-js';
import { expressionOf } from './licences.mjs';

// The library is CommonJS; an import by name would not find its namespaces.
const { Contrib, Enums, Models, Serialize, Spec, Validation } = createRequire(import.meta.url)('@cyclonedx/cyclonedx-library');
const parseExpression = createRequire(import.meta.url)('spdx-expression-parse');

const VERSION = Spec.Version.v1dot6;
const licences = new Contrib.License.Factories.LicenseFactory(parseExpression);

function component(type, name, { version, purl, licence, checksum }) {
  const made = new Models.Component(type, name, { version, purl, bomRef: purl ?? name });
  if (licence) made.licenses.add(licences.makeFromString(licence));
  if (checksum) made.hashes.set(Enums.HashAlgorithm['SHA-256'], checksum);
  return made;
}

/**
 * sbom.cdx.json, made from `crates` (Accredit first), the `tools` that built it, `date` in seconds since 1970, and the SHA-256 of the module or of the command in
 * hex.
 */
export function billOfMaterials({ crates, tools, date, module, command }) {
  const { Library, Application } = Enums.ComponentType;
  const [ours, ...others] = crates;
  const accredit = component(Application, ours.name, { version: ours.version, purl: ours.purl, licence: expressionOf(ours), checksum: module ?? command });
  const components = others.map((crate) =>
    component(Library, crate.name, { version: crate.version, purl: crate.purl, licence: expressionOf(crate), checksum: crate.checksum }),
  );

  // The standard library, which is compiled by others and linked into every module. Only the compiler knows the version of wasi-libc in it.
  const rustVersion = /^rustc (\S+)/.exec(tools.rustc)[1];
  const github = (owner, name, version) => new PackageURL('github', owner, name, version).toString();
  const std = component(Library, 'rust-std', { version: rustVersion, purl: github('rust-lang', 'rust', rustVersion), licence: 'MIT OR Apache-2.0' });
  const libc = component(Library, 'wasi-libc', {
    purl: github('webassembly', 'wasi-libc'),
    licence: '(Apache-2.0 WITH LLVM-exception OR Apache-2.0 OR MIT) AND BSD-2-Clause AND CC0-1.0 AND MIT',
  });
  // The command uses the C library of the machine that it runs on.
  if (module) std.dependencies.add(libc.bomRef);

  const byPurl = new Map([accredit, ...components].map((one) => [one.purl, one]));
  for (const crate of crates) for (const purl of crate.needs) byPurl.get(crate.purl).dependencies.add(byPurl.get(purl).bomRef);
  accredit.dependencies.add(std.bomRef);

  const bill = new Models.Bom({ components: new Models.ComponentRepository([...components, std, ...(module ? [libc] : [])]) });
  bill.metadata.component = accredit;
  bill.metadata.timestamp = new Date(date * 1000);
  bill.metadata.tools.components.add(component(Application, 'rustc', { version: tools.rustc.replace(/^rustc /, '') }));
  if (module) bill.metadata.tools.components.add(component(Application, 'wasm-opt', { version: tools.wasmOpt }));

  const serializer = new Serialize.JsonSerializer(new Serialize.JSON.Normalize.Factory(Spec.Spec1dot6));
  return `${serializer.serialize(bill, { space: 2 })}\n`;
}

/** The errors that CycloneDX's own JSON schema, in its strict form, finds in a bill of materials; empty if there are none. */
export async function faultOf(text) {
  const found = await new Validation.JsonStrictValidator(VERSION).validate(text);
  return found === null ? '' : JSON.stringify(found);
}
