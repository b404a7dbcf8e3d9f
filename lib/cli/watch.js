// @ts-check
'use strict'

// What the dashboard of a command watches, whether in its own process or in a program's.

const { FileBatchProcessor } = require('../file-batch-processor.js')
const { GitHubAPICache, OptimizedGitHubClient } = require('../cache-system.js')
const { MemoryProfiler } = require('../memory-profiler.js')
const { AlertSystem, Monitor } = require('../monitor.js')
const { AutoTuner } = require('../tuning.js')

/**
 * @typedef {object} WatchOptions
 * @property {number} port
 * @property {number} interval
 * @property {string} [title]
 * @property {string} [rules] a file of alert rules
 * @property {boolean} [tune]
 */

/** Equal alerts of memory are held back for so many milliseconds. */
const ALERT_INTERVAL = 60_000

/**
 * A monitor with the memory of this process, alerts by rules, and a tuner if one is wanted.
 *
 * @param {WatchOptions} options
 */
function watch({ port, interval, title, rules, tune }) {
  const alerts = new AlertSystem({ repeatAfter: ALERT_INTERVAL })
  const monitor = new Monitor({ alerts })
  const profiler = new MemoryProfiler({
    samplingInterval: interval,
    alertInterval: ALERT_INTERVAL,
    silent: true,
    alertCallback() {},
  })
  profiler.startProfiling()
  monitor.attach(profiler)
  const tuner = tune ? new AutoTuner({ interval }).start() : undefined
  if (tuner) monitor.attach(tuner)
  return {
    monitor,
    async serve() {
      if (rules) {
        await alerts.loadRules(rules)
        setInterval(() => alerts.check(figures(monitor)), interval).unref()
      }
      return await monitor.serve({ port, interval, title })
    },
    /** @param {any} object */
    add(object) {
      monitor.attach(object)
      if (isTunable(object)) tuner?.attach(object)
    },
    /** @param {any} object */
    remove(object) {
      monitor.detach(object)
      tuner?.detach(object)
    },
  }
}

/** What rules may be about. The monitor judges each `responseTime` itself. @param {Monitor} monitor */
function figures({ metrics: { responseTime: _, ...metrics } }) {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  return { ...metrics, rss, heapUsed, heapTotal, external }
}

/** @param {unknown} object */
function isTunable(object) {
  return [FileBatchProcessor, GitHubAPICache, OptimizedGitHubClient].some(
    (tunable) => object instanceof tunable,
  )
}

/** `console` forgives a standard error that nobody reads, also after the program has put its own in its place. */
const tell = console.error

/**
 * @param {{ url: string, port: number }} address
 * @param {boolean} json
 */
function announce({ url, port }, json) {
  tell(json ? JSON.stringify({ url, port }) : `Dashboard: ${url}`)
}

module.exports = { watch, announce, tell }
