// @ts-check
'use strict'

// The native addon: the file that `AIWF_NATIVE_LIBRARY_PATH` names and no other, else the build of a clone,
// else the package of this platform.

const { existsSync } = require('node:fs')
const { join, resolve } = require('node:path')
const manifest = require('../../package.json')
const { load } = require('./load.js')
const { currentHost, platformName } = require('./platform.js')
const { processReport } = require('./process-report.js')

/** @typedef {typeof import('../../binding.js')} Native */

const root = join(__dirname, '../..')
const host = currentHost()
const platform = platformName(host)
const libraryPath = process.env.AIWF_NATIVE_LIBRARY_PATH

/** @returns {Native} */
function platformPackage() {
  const name = `${manifest.name}-${platform}`
  const { version } = require(`${name}/package.json`)
  if (version !== manifest.version) {
    const message = `${name} has version ${version}, ${manifest.name} has ${manifest.version}: they must be the same`
    throw Object.assign(new Error(message), { code: 'ERR_AIWF_NATIVE_VERSION_MISMATCH' })
  }
  return require(name)
}

/** @type {(() => Native)[]} */
const candidates = libraryPath
  ? [() => require(resolve(libraryPath))]
  : [() => require(join(root, `${manifest.name}.${platform}.node`)), platformPackage]

module.exports = load(candidates, () => ({
  host,
  manifest,
  libraryPath,
  nodeVersion: process.versions.node,
  clone: existsSync(join(root, 'Cargo.toml')),
  glibc: processReport().header.glibcVersionRuntime,
}))
