// @ts-check
'use strict'

// What of an object is tuned, and by which of its figures.

const args = require('../internal/arguments.js')
const { GitHubAPICache, OptimizedGitHubClient } = require('../cache-system.js')
const { FileBatchProcessor } = require('../file-batch-processor.js')

/** @import * as types from '../tuning.js' */

/** @typedef {Omit<types.TuningObservation, 'memoryPressure'>} Measured */

/**
 * @typedef {object} Target
 * @property {any} object
 * @property {Partial<Record<types.TuningSetting, { min: number, max: number }>>} settings with their usual limits
 * @property {() => Measured} measure what was done since the call before
 */

/** As much work as an operation of no bytes; as the file engine counts. */
const UNIT = 65_536
/** Fewer look-ups say nothing of the share of hits. */
const FEW_LOOK_UPS = 50
/** From here on the memory tier counts as full. */
const FULL = 0.9

/**
 * What is tuned of an object: of a client its cache.
 *
 * @param {any} object
 */
function tunedOf(object) {
  return object instanceof OptimizedGitHubClient ? object.cache : object
}

/**
 * @param {unknown} given
 * @returns {Target}
 */
function targetOf(given) {
  const object = tunedOf(given)
  if (object instanceof FileBatchProcessor) {
    const settings = { maxConcurrency: { min: 1, max: 64 }, batchSize: { min: 1, max: 1000 } }
    return { object, settings, measure: fileMeter(object) }
  }
  if (object instanceof GitHubAPICache) {
    const settings = {
      maxEntries: { min: 100, max: 100_000 },
      maxMemoryBytes: { min: 2 ** 20, max: 2 ** 28 },
    }
    return { object, settings, measure: cacheMeter(object) }
  }
  throw args.invalidType('target', 'a FileBatchProcessor, a GitHubAPICache or a client', object)
}

/** @param {FileBatchProcessor} processor */
function fileMeter(processor) {
  const read = () => {
    const { totalOperations, averageProcessingTime, bytes, queueLength } = processor.getStats()
    const work = totalOperations + bytes / UNIT
    return {
      at: performance.now(),
      work,
      busy: averageProcessingTime * totalOperations,
      queueLength,
    }
  }
  let last = read()
  return () => {
    const now = read()
    const work = now.work - last.work
    const measured = {
      throughput: (work * 1000) / Math.max(1, now.at - last.at),
      latency: work > 0 ? Math.max(0, now.busy - last.busy) / work : 0,
      saturated: work > 0 && now.queueLength > 0,
    }
    last = now
    return measured
  }
}

/** @param {GitHubAPICache} cache */
function cacheMeter(cache) {
  let last = { ...cache.stats }
  return () => {
    const { hits, misses } = cache.stats
    // The statistics may have been cleared.
    const newHits = Math.max(0, hits - last.hits)
    const lookUps = newHits + Math.max(0, misses - last.misses)
    last = { ...cache.stats }
    return {
      throughput: lookUps > 0 ? newHits / lookUps : 0,
      latency: 0,
      saturated: lookUps >= FEW_LOOK_UPS && cache.memoryFill >= FULL,
    }
  }
}

module.exports = { targetOf, tunedOf }
