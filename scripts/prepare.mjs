// Builds the native part from source. npm runs this in a clone only: a package from the registry brings its
// binary along and has no need of Rust.

import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'

const required = rustVersion()
const found = spawnSync('cargo', ['--version'], { encoding: 'utf8' }).stdout?.split(' ')[1]

if (!found || isOlder(found, required)) {
  const obstacle = found ? `cargo is ${found}` : 'cargo was not found'
  console.error(
    `A clone of aiwf-native is built from source with Rust ${required} or newer, but ${obstacle}:` +
      ' get it from https://rustup.rs and run this again.',
  )
  process.exit(1)
}

// As one string, for on Windows npm is a script that only a shell can run.
const build = spawnSync('npm run build', { shell: true, stdio: 'inherit' })
process.exit(build.status ?? 1)

function rustVersion() {
  const manifest = readFileSync(new URL('../Cargo.toml', import.meta.url), 'utf8')
  const version = /^rust-version = "(.+)"$/m.exec(manifest)?.[1]
  if (!version) throw new Error('Cargo.toml names no rust-version')
  return version
}

/**
 * @param {string} version
 * @param {string} other
 */
function isOlder(version, other) {
  return version.localeCompare(other, 'en', { numeric: true }) < 0
}
