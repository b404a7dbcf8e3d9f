// @ts-check
'use strict'

const { mkdtemp, readFile, rm } = require('node:fs/promises')
const { tmpdir } = require('node:os')
const { join, resolve } = require('node:path')
const { parseArgs } = require('node:util')
const native = require('../internal/native.js')
const { promised, settler } = require('../internal/settle.js')
const { runCommand } = require('./command.js')
const { runProgram, splitAtProgram } = require('./program.js')
const { bytes } = require('./summary.js')

/** @import { MemoryReport } from '../memory-profiler.js' */

const HELP = `Usage: aiwf-native profile [options] -- node <script> [arguments]

Runs a Node program, profiles its memory, and shows a report on standard error when it exits. A program that a signal
ends leaves no report.

Options:
  --json       print the report as JSON
  --html FILE  also write it to FILE as a page with charts (the last hour of a longer run)
  -h, --help   show this help

Exit code: that of the program; 1 if it could not be started, 2 called wrongly.
`

/** @satisfies {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = /** @type {const} */ ({
  json: { type: 'boolean' },
  html: { type: 'string' },
  help: { type: 'boolean', short: 'h' },
})

/**
 * `aiwf-native profile`
 *
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function profile(args) {
  return runCommand('profile', { help: HELP, parse: () => parse(args), run })
}

/** @param {string[]} args */
function parse(args) {
  const { own, program: command = [] } = splitAtProgram(args)
  const { values } = parseArgs({ args: own, options: OPTIONS })
  if (values.help) return undefined
  if (command.length === 0) throw new Error("expected '-- node <script>'")
  return { command, ...values }
}

/** @param {NonNullable<ReturnType<typeof parse>>} call */
async function run({ command, json = false, html }) {
  const folder = await temporaryFolder()
  try {
    const file = join(folder, 'report.json')
    const preload = join(__dirname, 'profile-preload.js')
    const code = await runProgram(command, preload, { AIWF_NATIVE_PROFILE: file })
    const page = await readFile(file, 'utf8').catch(() => undefined)
    if (page === undefined) {
      console.error('aiwf-native: the program left no report')
      return code
    }
    report(JSON.parse(page).report, json)
    if (html !== undefined) await savePage(html, page)
    return code
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function temporaryFolder() {
  try {
    return await mkdtemp(join(tmpdir(), 'aiwf-native-'))
  } catch (error) {
    const { message } = /** @type {Error} */ (error)
    throw new Error(`${message}; TMPDIR may name another folder`, { cause: error })
  }
}

/**
 * @param {string} file
 * @param {string} page
 */
async function savePage(file, page) {
  await promised((ticket) => native.saveMemoryPage(settler, ticket, resolve(file), page))
}

/**
 * On standard error: standard output is the program's.
 *
 * @param {MemoryReport} found
 * @param {boolean} asJson
 */
function report(found, asJson) {
  if (asJson) {
    console.error(JSON.stringify(found))
    return
  }
  const { peak, statistics, alerts, suggestions } = found
  console.error(`${'Peak memory'.padEnd(14)} ${bytes(peak.rss)}`)
  const { heapUsed } = statistics
  if (heapUsed) {
    const { min, avg, max } = heapUsed
    const shown = `${bytes(min)} least, ${bytes(avg)} mean, ${bytes(max)} most`
    console.error(`${'Heap used'.padEnd(14)} ${shown}`)
  }
  console.error(`${'Alerts'.padEnd(14)} ${alerts.length}`)
  for (const { suggestion, priority } of suggestions) {
    console.error(`${priority.padEnd(14)} ${suggestion}`)
  }
}

module.exports = { profile }
