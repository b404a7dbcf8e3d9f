// @ts-check
'use strict'

// Loads the first binary that works, or explains why none did and what mends it.

const { platforms, platformName } = require('./platform.js')

/** @import { Host } from './platform.js' */

/**
 * Where and for whom the binary is wanted.
 *
 * @typedef {object} Situation
 * @property {Host} host
 * @property {{ name: string, version: string, engines: { node: string }, homepage: string }} manifest
 * @property {string} nodeVersion such as `20.11.0`
 * @property {boolean} clone whether the source is at hand
 * @property {string} [libraryPath] the file the user named
 * @property {string} [glibc] the version of the C library, where it is that one
 */

/** @typedef {Error & { code?: string }} Failure */

/**
 * @template T
 * @param {(() => T)[]} candidates in the order of preference
 * @param {() => Situation} situation asked for only when all of them fail
 * @returns {T}
 */
function load(candidates, situation) {
  /** @type {Failure[]} */
  const failures = []
  for (const candidate of candidates) {
    try {
      return candidate()
    } catch (failure) {
      failures.push(/** @type {Failure} */ (failure))
    }
  }
  throw loadError(failures, situation())
}

/**
 * @param {Failure[]} failures
 * @param {Situation} situation
 */
function loadError(failures, situation) {
  const platform = platformName(situation.host)
  const found = failures.filter((failure) => failure.code !== 'MODULE_NOT_FOUND')
  const supported = platforms.includes(platform)
  const lines = [
    `Could not load the native part of ${situation.manifest.name} ${situation.manifest.version}` +
      ` on ${platform} with Node.js ${situation.nodeVersion}`,
    ...found.map((failure) => [failure.code, failure.message].filter(Boolean).join(': ')),
    'Possible solutions:',
    ...remedies(found, supported, situation).map((remedy) => `- ${remedy}`),
    `- Consult the documentation:\n    ${situation.manifest.homepage}`,
  ]
  const cause = new AggregateError(failures, 'No binary could be loaded')
  return Object.assign(new Error(lines.join('\n'), { cause }), { code: code(found, supported) })
}

/**
 * @param {Failure[]} found
 * @param {boolean} supported
 */
function code(found, supported) {
  if (found.some((failure) => failure.code === 'ERR_AIWF_NATIVE_VERSION_MISMATCH')) {
    return 'ERR_AIWF_NATIVE_VERSION_MISMATCH'
  }
  if (found.length > 0) return 'ERR_AIWF_NATIVE_LOAD_FAILED'
  return supported ? 'ERR_AIWF_NATIVE_NOT_FOUND' : 'ERR_AIWF_NATIVE_UNSUPPORTED_PLATFORM'
}

/**
 * @param {Failure[]} found
 * @param {boolean} supported
 * @param {Situation} situation
 */
function remedies(found, supported, situation) {
  const { host, manifest, nodeVersion, clone, libraryPath, glibc } = situation
  const remedies = []
  const needed = manifest.engines.node
  if (Number.parseInt(nodeVersion, 10) < Number(needed.replace(/\D/g, ''))) {
    remedies.push(`Upgrade Node.js: found ${nodeVersion}, requires ${needed}`)
  }
  if (found.some((failure) => failure.code === 'ERR_DLOPEN_DISABLED')) {
    remedies.push('Run Node.js without --no-addons')
  }
  const glibcNeeded = found.map((failure) => /GLIBC_([\d.]+)' not found/.exec(failure.message)?.[1])
  for (const version of glibcNeeded.filter(Boolean)) {
    remedies.push(`Upgrade the operating system: found glibc ${glibc}, requires ${version}`)
  }
  if (libraryPath) {
    remedies.push(
      `Correct or unset AIWF_NATIVE_LIBRARY_PATH, the only file that was tried:\n    ${libraryPath}`,
    )
  } else if (clone) {
    remedies.push(
      'Build it from the source at hand, with Rust from https://rustup.rs:\n    npm run build',
    )
  } else if (supported) {
    const libc = host.libc ? ` --libc=${host.libc}` : ''
    remedies.push(
      `Ensure that optional dependencies are installed:\n    npm install --include=optional ${manifest.name}`,
      `Install for this very platform, if node_modules came from another one:\n` +
        `    npm install --os=${host.platform} --cpu=${host.arch}${libc} ${manifest.name}`,
    )
  } else {
    remedies.push(
      `Use a platform that has a binary: ${platforms.join(', ')}`,
      'Build it from a clone with Rust from https://rustup.rs, and name the file in AIWF_NATIVE_LIBRARY_PATH',
    )
  }
  return remedies
}

module.exports = { load }
