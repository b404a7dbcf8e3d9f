// @ts-check
'use strict'

const { existsSync } = require('node:fs')
const os = require('node:os')
const { parseArgs } = require('node:util')
const manifest = require('../../package.json')
const { currentHost, platformName } = require('../internal/platform.js')
const { processReport } = require('../internal/process-report.js')
const { cacheDirOf } = require('./cache-dir.js')
const { runCommand } = require('./command.js')
const { openCache } = require('./open-cache.js')
const { palette } = require('./colour.js')
const { bytes } = require('./summary.js')

/** @typedef {{ name: string, status: 'ok' | 'warn' | 'fail', message: string }} Finding */

const HELP = `Usage: aiwf-native doctor [options]

Shows what the machine, Node, the binary, the limits, the configuration in force and the cache look like.

Options:
  --cache-dir <folder>  the cache (default: ~/.cache/aiwf-native, or $XDG_CACHE_HOME/aiwf-native)
  --json                print the findings as JSON
  -h, --help            show this help

Exit code: 0 nothing failed, 1 something did, 2 called wrongly.
`

/** @satisfies {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = /** @type {const} */ ({
  'cache-dir': { type: 'string' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
})

const OLDEST_NODE = 20
/** Below it, a batch of files at the default concurrency and a few hundred connections do not fit. */
const FEW_DESCRIPTORS = 1024

const COLOURS = /** @type {const} */ ({ ok: 'good', warn: 'warn', fail: 'bad' })

/**
 * `aiwf-native doctor`
 *
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function doctor(args) {
  return runCommand('doctor', { help: HELP, parse: () => parse(args), run })
}

/** @param {string[]} args */
function parse(args) {
  const { values } = parseArgs({ args, options: OPTIONS })
  return values.help ? undefined : values
}

/** @param {NonNullable<ReturnType<typeof parse>>} call */
async function run({ 'cache-dir': cacheDir, json }) {
  const native = binary()
  const findings = [machine(), node(), native, memory(), ...descriptors(), configuration()]
  // Without the binary no cache can be opened.
  if (native.status === 'ok') findings.push(await cache(cacheDir))
  if (json) console.log(JSON.stringify({ findings }, null, 2))
  else for (const finding of findings) console.log(line(finding))
  return findings.some(({ status }) => status === 'fail') ? 1 : 0
}

/** @returns {Finding} */
function machine() {
  const cores = os.availableParallelism()
  const message = `${os.type()} ${os.release()}, ${process.arch}, ${cores} cores`
  return { name: 'Machine', status: 'ok', message }
}

/** @returns {Finding} */
function node() {
  const { node: version } = process.versions
  const old = Number.parseInt(version, 10) < OLDEST_NODE
  const message = old ? `${version}: needs ${OLDEST_NODE} or later` : version
  return { name: 'Node', status: old ? 'fail' : 'ok', message }
}

/** @returns {Finding} */
function binary() {
  const platform = platformName(currentHost())
  try {
    require('../internal/native.js')
    return { name: 'Binary', status: 'ok', message: `${manifest.version}, ${platform}` }
  } catch (error) {
    return { name: 'Binary', status: 'fail', message: /** @type {Error} */ (error).message }
  }
}

/** @returns {Finding} */
function memory() {
  // What a container allows, if that is less; 0 or more than there is where nothing limits.
  const allowed = process.constrainedMemory() || Number.POSITIVE_INFINITY
  const limit = Math.min(os.totalmem(), allowed)
  const message = `${bytes(limit)} for this process, ${bytes(os.freemem())} free on the machine`
  return { name: 'Memory', status: 'ok', message }
}

/** @returns {Finding[]} none where there is no limit to read */
function descriptors() {
  const soft = processReport().userLimits?.open_files?.soft
  if (soft === undefined) return []
  const few = typeof soft === 'number' && soft < FEW_DESCRIPTORS
  const message = few ? `${soft}: raise it with ulimit -n ${FEW_DESCRIPTORS}` : String(soft)
  return [{ name: 'Open files', status: few ? 'warn' : 'ok', message }]
}

/**
 * What `loadConfig()` and `features` say here.
 *
 * @returns {Finding}
 */
function configuration() {
  const name = 'Configuration'
  const { features, loadConfig } = require('../configuration.js')
  try {
    const config = Object.entries(loadConfig()).map(([key, value]) => `${key} ${value}`)
    const on = Object.entries(features).flatMap(([key, value]) => (value ? [key] : []))
    return { name, status: 'ok', message: [...config, ...on].join(', ') }
  } catch (error) {
    return { name, status: 'fail', message: /** @type {Error} */ (error).message }
  }
}

/**
 * @param {string} [given]
 * @returns {Promise<Finding>}
 */
async function cache(given) {
  const name = 'Cache'
  let cacheDir
  try {
    cacheDir = cacheDirOf(given)
    return { name, status: 'ok', message: `${cacheDir}: ${await contents(cacheDir)}` }
  } catch (error) {
    const message = [cacheDir, /** @type {Error} */ (error).message].filter(Boolean).join(': ')
    return { name, status: 'fail', message }
  }
}

/** @param {string} cacheDir */
async function contents(cacheDir) {
  // Opening it would make it.
  if (!existsSync(cacheDir)) return 'none yet'
  const { entries, bytes: size } = await (await openCache(cacheDir)).diskStats()
  return `${entries} entries, ${bytes(size)}`
}

/** @param {Finding} finding */
function line({ name, status, message }) {
  const word = palette(process.stdout)[COLOURS[status]](status.padEnd(4))
  return `${word}  ${name.padEnd(13)}  ${message}`
}

module.exports = { doctor }
