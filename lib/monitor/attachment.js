// @ts-check
'use strict'

// How a monitor watches the objects of the engines: through their public methods, on the one object it is given.

const args = require('../internal/arguments.js')
const { GitHubAPICache, OptimizedGitHubClient, RateLimiter } = require('../cache-system.js')
const { FileBatchProcessor } = require('../file-batch-processor.js')
const { MemoryProfiler } = require('../memory-profiler.js')
const { PerformanceBenchmark } = require('../performance-benchmark.js')

/** @import * as types from '../monitor.js' */

/**
 * @typedef {object} Attachment
 * @property {types.SourceType} type
 * @property {() => any} stats
 * @property {() => void} detach
 */

/**
 * @typedef {object} Observer
 * @property {(durationMs: number) => void} onFetch a cache has asked the network
 * @property {(name: string, point: any) => void} onLoad a load test told of its last second
 */

/**
 * @param {unknown} source
 * @param {Observer} observer
 * @returns {Attachment[]}
 */
function attach(source, observer) {
  if (source instanceof OptimizedGitHubClient) {
    const limiter = () => source.rateLimiter.getStats?.()
    return [...attach(source.cache, observer), { type: 'rateLimiter', stats: limiter, detach() {} }]
  }
  if (source instanceof GitHubAPICache) {
    const detach = replace(source, 'getOrFetch', (original) => timedFetch(original, observer))
    return [{ type: 'cache', stats: () => source.getStats(), detach }]
  }
  if (source instanceof RateLimiter) {
    return [{ type: 'rateLimiter', stats: () => source.getStats(), detach() {} }]
  }
  if (source instanceof FileBatchProcessor) {
    return [{ type: 'fileProcessor', stats: () => source.getStats(), detach() {} }]
  }
  if (source instanceof MemoryProfiler) {
    return [{ type: 'memoryProfiler', stats: () => profilerStats(source), detach() {} }]
  }
  if (source instanceof PerformanceBenchmark) {
    const detach = replace(source, 'runLoadTest', (original) => toldLoadTest(original, observer))
    const stats = () => ({ suites: source.results.length })
    return [{ type: 'benchmark', stats, detach }]
  }
  throw args.invalidType('source', 'an object of one of the engines', source)
}

/**
 * Puts another method in the place of one, on this object only.
 *
 * @param {any} object
 * @param {string} name
 * @param {(original: Function) => Function} wrap
 * @returns {() => void} puts it back, unless somebody else has replaced it since
 */
function replace(object, name, wrap) {
  const own = Object.getOwnPropertyDescriptor(object, name)
  const value = wrap(object[name])
  Object.defineProperty(object, name, { value, writable: true, configurable: true })
  return () => {
    if (object[name] !== value) return
    if (own) Object.defineProperty(object, name, own)
    else delete object[name]
  }
}

/**
 * @param {Function} original
 * @param {Observer} observer
 */
function timedFetch(original, observer) {
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
        // Not within the fetch: a listener of an alert that throws must not fail it.
        queueMicrotask(() => observer.onFetch(duration))
      }
    }
    return original.call(this, url, timed, ...rest)
  }
}

/**
 * @param {Function} original
 * @param {Observer} observer
 */
function toldLoadTest(original, observer) {
  return /** @this {any} */ function (/** @type {any} */ config) {
    if (typeof config !== 'object' || config === null) return original.call(this, config)
    const onProgress = (/** @type {any} */ point) => {
      observer.onLoad(config.name, point)
      config.onProgress?.(point)
    }
    return original.call(this, { ...config, onProgress })
  }
}

/** @param {MemoryProfiler} profiler */
function profilerStats({ profiling, samples, alerts }) {
  return { profiling, samples: samples.length, alerts: alerts.slice(-10) }
}

module.exports = { attach }
