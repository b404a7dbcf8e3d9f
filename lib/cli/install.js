// @ts-check
'use strict'

const { basename } = require('node:path')
const { parseArgs } = require('node:util')
const { OptimizedGitHubClient } = require('../cache-system.js')
const { MemoryProfiler } = require('../memory-profiler.js')
const { cacheDirOf } = require('./cache-dir.js')
const { isWrongArgument, runCommand } = require('./command.js')
const { progressReporter } = require('./progress.js')
const { summaryLines } = require('./summary.js')

/** @import { HttpStatusError } from '../cache-system.js' */

const HELP = `Usage: aiwf-native install <owner/repo> [path] [dest] [options]

Mirrors a folder of a GitHub repository (all of it without a path) into dest, by default ./<name of the folder>.
Files that are already right are left alone; a file that fails is named, the others still arrive.

Options:
  --ref <ref>           branch, tag or commit (default: the default branch)
  --base-url <url>      the API (default: $GITHUB_API_URL or https://api.github.com)
  --cache-dir <folder>  where answers are kept (default: ~/.cache/aiwf-native, or $XDG_CACHE_HOME/aiwf-native)
  --concurrency <n>     files in flight (default: 10)
  --quiet               no progress
  --json                print the summary as JSON
  -h, --help            show this help

Environment:
  GITHUB_TOKEN          authorises the requests; it is never printed

Exit code: 0 all files are right, 1 something failed, 2 called wrongly.
`

/** @satisfies {import('node:util').ParseArgsConfig['options']} */
const OPTIONS = /** @type {const} */ ({
  ref: { type: 'string' },
  'base-url': { type: 'string' },
  'cache-dir': { type: 'string' },
  concurrency: { type: 'string' },
  quiet: { type: 'boolean' },
  json: { type: 'boolean' },
  help: { type: 'boolean', short: 'h' },
})

/**
 * `aiwf-native install`
 *
 * @param {string[]} args
 * @returns {Promise<number>} the exit code
 */
async function install(args) {
  const isMisuse = isWrongArgument
  return runCommand('install', { help: HELP, parse: () => parse(args), run, isMisuse, explain })
}

/** @param {string[]} args */
function parse(args) {
  const { values, positionals } = parseArgs({ args, options: OPTIONS, allowPositionals: true })
  if (values.help) return undefined
  const [repository, path = '', destination = basename(path) || basename(repository ?? '')] =
    positionals
  if (!repository || positionals.length > 3) throw new Error('expected <owner/repo> [path] [dest]')
  const concurrency = Number(values.concurrency ?? 10)
  if (!Number.isInteger(concurrency) || concurrency < 1) {
    throw new Error(`--concurrency must be a whole number above 0, not '${values.concurrency}'`)
  }
  const { ref, quiet = false, json = false } = values
  const job = {
    repository,
    path,
    destination,
    ref,
    concurrency,
    baseUrl: values['base-url'] || process.env.GITHUB_API_URL || undefined,
    token: process.env.GITHUB_TOKEN,
  }
  return { job, cacheDir: values['cache-dir'], quiet, json }
}

/** @param {NonNullable<ReturnType<typeof parse>>} call */
async function run({ job, cacheDir, quiet, json }) {
  const onProgress = quiet || json ? undefined : progressReporter(process.stderr)
  const summary = await measuredInstall({ ...job, cacheDir: cacheDirOf(cacheDir), onProgress })
  report(summary, json)
  return summary.failed > 0 ? 1 : 0
}

/**
 * Installs, and measures the peak of memory meanwhile.
 *
 * @param {object} job
 * @param {string} job.repository
 * @param {string} job.path
 * @param {string} job.destination
 * @param {string} [job.ref]
 * @param {number} [job.concurrency]
 * @param {string} [job.baseUrl]
 * @param {string} job.cacheDir
 * @param {string} [job.token]
 * @param {(event: import('../cache-system.js').DownloadEvent) => void} [job.onProgress]
 */
async function measuredInstall(job) {
  const client = new OptimizedGitHubClient(job.baseUrl, {
    cacheDir: job.cacheDir,
    token: job.token,
  })
  const profiler = new MemoryProfiler({ samplingInterval: 20, silent: true, alertCallback() {} })
  profiler.startProfiling()
  try {
    await client.init()
    const summary = await client.downloadDirectory(job.repository, job.path, job.destination, {
      ref: job.ref,
      concurrency: job.concurrency,
      onProgress: job.onProgress,
    })
    return { ...summary, peakMemory: profiler.peak.rss }
  } finally {
    profiler.stopProfiling()
  }
}

/**
 * @param {Awaited<ReturnType<typeof measuredInstall>>} summary
 * @param {boolean} json
 */
function report(summary, json) {
  if (json) {
    const failures = summary.failures.map(({ path, error }) => ({ path, error: explain(error) }))
    console.log(JSON.stringify({ ...summary, failures }, null, 2))
    return
  }
  for (const { path, error } of summary.failures) {
    console.error(`aiwf-native: ${path}: ${explain(error)}`)
  }
  for (const [name, value] of summaryLines(summary)) console.log(`${name.padEnd(14)} ${value}`)
}

/** @param {unknown} error */
function explain(error) {
  if (!(error instanceof Error)) return String(error)
  const { code, url, body } = /** @type {Partial<HttpStatusError>} */ (error)
  const said = body ? reasonIn(body) : ''
  const where = url && !error.message.includes(url) ? ` (${url})` : ''
  const known = code && !error.message.startsWith(code) ? ` [${code}]` : ''
  return `${error.message}${said}${where}${known}`
}

/**
 * What GitHub says of a failure, such as that the rate limit is exceeded.
 *
 * @param {string} body
 */
function reasonIn(body) {
  try {
    const { message } = JSON.parse(body)
    return typeof message === 'string' ? `: ${message}` : ''
  } catch {
    return ''
  }
}

module.exports = { install, measuredInstall }
