// @ts-check
'use strict'

const { existsSync } = require('node:fs')
const { join, resolve } = require('node:path')
const { parseArgs } = require('node:util')
const { cacheDirOf } = require('./cache-dir.js')
const { runCommand } = require('./command.js')
const { openCache } = require('./open-cache.js')
const { runProgram, splitAtProgram } = require('./program.js')

/** @import { WatchOptions } from './watch.js' */

const HELP = `Usage: aiwf-native dashboard [options] [-- <program> [arguments]]

Serves a page on 127.0.0.1 that shows live what a program does: memory and processors, load tests, caches, rate limits,
files, alerts. Its address has a token and is shown on standard error. The page goes on while the event loop is blocked.

  -- node app.js            a Node program; what it makes of this package appears by itself
  -- suite.mjs              the same for a script
  -- load http://...        a command of aiwf-native

Without a program: shows the cache on disk, until it is interrupted.

Options:
  --port <n>            of 127.0.0.1 (default: any free one)
  --interval <ms>       between two figures, 100 to 10000 (default: 1000)
  --rules <file>        alerts by the rules of a JSON file: [{ "metric": "rss", "threshold": 500000000 }]; metrics are
                        apiCalls, cacheHitRate, responseTime (ms, of each request), rss, heapUsed, heapTotal, external
  --tune                lets the settings of caches and file processors find their values; the page shows why
  --cache-dir <folder>  the cache (default: ~/.cache/aiwf-native, or $XDG_CACHE_HOME/aiwf-native)
  --json                print the address as JSON: { "url", "port" }
  -h, --help            show this help

Exit code: that of the program; 0 after an interruption, 1 if it could not be started, 2 called wrongly.
`

/** @satisfies {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = /** @type {const} */ ({
  port: { type: 'string', default: '0' },
  interval: { type: 'string', default: '1000' },
  rules: { type: 'string' },
  tune: { type: 'boolean' },
  'cache-dir': { type: 'string' },
  json: { type: 'boolean', default: false },
  help: { type: 'boolean', short: 'h' },
})

/**
 * `aiwf-native dashboard`
 *
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function dashboard(args) {
  return runCommand('dashboard', { help: HELP, parse: () => parse(args), run })
}

/** @param {string[]} args */
function parse(args) {
  const { own, program: command } = splitAtProgram(args)
  const { values } = parseArgs({ args: own, options: OPTIONS })
  if (values.help) return undefined
  const port = wholeNumber(values.port, 0, 65_535)
  if (port === undefined) {
    throw new Error(`--port must be a whole number up to 65535, not '${values.port}'`)
  }
  const interval = wholeNumber(values.interval, 100, 10_000)
  if (interval === undefined) {
    throw new Error(`--interval must be a whole number from 100 to 10000, not '${values.interval}'`)
  }
  if (command?.length === 0) throw new Error("expected a program after '--'")
  const { rules, tune, json } = values
  const options = { port, interval, rules: rules && resolve(rules), tune, json }
  return { command, cacheDir: values['cache-dir'], options }
}

/** @param {NonNullable<ReturnType<typeof parse>>} call */
async function run({ command, cacheDir, options }) {
  if (!command) return show(cacheDirOf(cacheDir), options)
  const preload = join(__dirname, 'dashboard-preload.js')
  const variables = { AIWF_NATIVE_DASHBOARD: JSON.stringify(options) }
  return runProgram(asProgram(command), preload, variables)
}

/**
 * Shows the cache, until the command is interrupted.
 *
 * @param {string} cacheDir
 * @param {WatchOptions & { json: boolean }} options
 */
async function show(cacheDir, { json, ...options }) {
  const { announce, watch } = require('./watch.js')
  const { add, serve } = watch({ ...options, title: `Cache in ${cacheDir}` })
  // Opening it would make it.
  if (existsSync(cacheDir)) add(await openCache(cacheDir))
  const server = await serve()
  announce(server, json)
  await interruption()
  await server.close()
  return 0
}

/** Resolves when the user or the system wants an end; until then the process lives. */
function interruption() {
  return new Promise((resolve) => {
    const alive = setInterval(() => {}, 2 ** 30)
    const end = () => {
      clearInterval(alive)
      resolve(undefined)
    }
    process.once('SIGINT', end)
    process.once('SIGTERM', end)
  })
}

/**
 * A command of ours and a script are run by this very Node.
 *
 * @param {string[]} command
 */
function asProgram([program, ...args]) {
  if (/\.[cm]?js$/.test(program)) return [process.execPath, program, ...args]
  const { commands } = require('./main.js')
  if (!Object.hasOwn(commands, program)) return [program, ...args]
  return [process.execPath, join(__dirname, '../../bin/aiwf-native.js'), program, ...args]
}

/**
 * @param {string} text
 * @param {number} min
 * @param {number} max
 */
function wholeNumber(text, min, max) {
  const value = /^\d+$/.test(text) ? Number(text) : Number.NaN
  return value >= min && value <= max ? value : undefined
}

module.exports = { dashboard }
