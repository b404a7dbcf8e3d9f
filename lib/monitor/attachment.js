// @ts-check
'use strict'

// How a monitor watches the objects of the engines: through their public methods, on the one object it is given.

const args = require('../internal/arguments.js')
const { GitHubAPICache, OptimizedGitHubClient, RateLimiter } = require('../cache-system.js')
const { FileBatchProcessor } = require('../file-batch-processor.js')
const { MemoryProfiler } = require('../memory-profiler.js')
const { PerformanceBenchmark } = require('../performance-benchmark.js')
const { AutoTuner } = require('../tuning.js')
const { watchMethod } = require('./watched-method.js')

/** @import * as types from '../monitor.js' */
/** @import { ResponseInfo } from '../cache-system.js' */

/**
 * @typedef {object} Attachment
 * @property {types.SourceType} type
 * @property {() => { stats: any, [more: string]: any }} read what it does now
 * @property {() => void} detach
 * @property {() => Promise<void>} [refresh] renews what is too slow to be read each time
 */

/**
 * @typedef {object} Observer
 * @property {(durationMs: number) => void} onFetch a cache or a client has asked the network; never throws
 * @property {(stored: boolean) => void} onLookUp a client has asked what it stores by HTTP's rules
 * @property {(name: string) => LoadTestObserver} onLoadTest a load test begins
 */

/** @typedef {{ onPoint(point: any): void, onEnd(): void }} LoadTestObserver */

/**
 * What there is to watch of an object: a client brings its cache, which may be watched already.
 *
 * @param {any} source
 * @returns {object[]}
 */
function partsOf(source) {
  return source instanceof OptimizedGitHubClient ? [source.cache, source] : [source]
}

/**
 * @param {unknown} part
 * @param {Observer} observer
 * @returns {Attachment}
 */
function attach(part, observer) {
  if (part instanceof GitHubAPICache) return watchedCache(part, observer)
  if (part instanceof OptimizedGitHubClient) {
    return watchedClient(part, observer)
  }
  if (part instanceof RateLimiter) {
    return { type: 'rateLimiter', read: () => ({ stats: part.getStats() }), detach() {} }
  }
  if (part instanceof FileBatchProcessor) {
    return { type: 'fileProcessor', read: () => ({ stats: part.getStats() }), detach() {} }
  }
  if (part instanceof MemoryProfiler) {
    return { type: 'memoryProfiler', read: () => ({ stats: profilerStats(part) }), detach() {} }
  }
  if (part instanceof AutoTuner) {
    return { type: 'tuner', read: () => ({ stats: tunerStats(part) }), detach() {} }
  }
  if (part instanceof PerformanceBenchmark) {
    const detach = watchMethod(part, 'runLoadTest', toldLoadTest, observer)
    const read = () => ({ stats: { suites: part.results.length } })
    return { type: 'benchmark', read, detach }
  }
  throw args.invalidType('source', 'an object of one of the engines', part)
}

/**
 * What a client's cache does not see: requests that follow HTTP's rules.
 *
 * @param {OptimizedGitHubClient} client
 * @param {Observer} observer
 * @returns {Attachment}
 */
function watchedClient(client, { onFetch, onLookUp }) {
  const heard = (/** @type {ResponseInfo} */ { method, cache, duration }) => {
    if (method !== 'GET' && method !== 'HEAD') return
    const stored = cache === 'hit' || cache === 'stale'
    if (cache !== 'bypass') onLookUp(stored)
    if (!stored) onFetch(duration)
  }
  client.on('response', heard)
  return {
    type: 'rateLimiter',
    read: () => ({ stats: client.getStats().rateLimit }),
    detach: () => void client.off('response', heard),
  }
}

/**
 * @param {GitHubAPICache} cache
 * @param {Observer} observer
 * @returns {Attachment}
 */
function watchedCache(cache, observer) {
  /** @type {{ entries?: number, bytes?: number }} */
  let disk = {}
  const detach = watchMethod(cache, 'getOrFetch', timedFetch, observer)
  return {
    type: 'cache',
    read() {
      const stats = cache.getStats()
      const hits = cache.hitsByTier
      const memory = { entries: stats.memorySize, hits: hits.memory }
      return { stats, tiers: { memory, disk: { ...disk, hits: hits.disk } } }
    },
    async refresh() {
      const { entries, bytes } = await cache.diskStats()
      disk = { entries, bytes }
    },
    detach,
  }
}

/**
 * @param {Function} original
 * @param {Set<Observer>} observers
 */
function timedFetch(original, observers) {
  return /** @this {any} */ function (
    /** @type {any} */ url,
    /** @type {any} */ fetchFunction,
    /** @type {any[]} */ ...rest
  ) {
    // The cache says what is wrong with it.
    if (typeof fetchFunction !== 'function') return original.call(this, url, fetchFunction, ...rest)
    const timed = async (/** @type {any[]} */ ...params) => {
      const start = performance.now()
      try {
        return await fetchFunction(...params)
      } finally {
        const duration = performance.now() - start
        // Not within the fetch, which is not to wait for those who listen.
        queueMicrotask(() => {
          for (const { onFetch } of observers) onFetch(duration)
        })
      }
    }
    return original.call(this, url, timed, ...rest)
  }
}

/**
 * @param {Function} original
 * @param {Set<Observer>} observers
 */
function toldLoadTest(original, observers) {
  return /** @this {any} */ async function (/** @type {any} */ config) {
    // The benchmark says what is wrong with it.
    if (typeof config?.name !== 'string') return original.call(this, config)
    const given = config.onProgress
    if (given !== undefined && typeof given !== 'function') return original.call(this, config)
    const told = [...observers].map(({ onLoadTest }) => onLoadTest(config.name))
    const onProgress = (/** @type {any} */ point) => {
      for (const { onPoint } of told) onPoint(point)
      given?.(point)
    }
    try {
      return await original.call(this, { ...config, onProgress })
    } finally {
      for (const { onEnd } of told) onEnd()
    }
  }
}

/** @param {MemoryProfiler} profiler */
function profilerStats({ profiling, samples, alerts, thresholds }) {
  return { profiling, samples: samples.length, alerts: alerts.slice(-10), thresholds }
}

/** @param {InstanceType<typeof AutoTuner>} tuner */
function tunerStats({ running, log }) {
  return { running, log: log.slice(-20) }
}

module.exports = { attach, partsOf }
