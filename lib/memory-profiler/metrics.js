// @ts-check
'use strict'

const v8 = require('node:v8')

const native = require('../internal/native.js')
const { noMemory } = require('./readings.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { CollectionHistogram } from '../../binding.js' */

/**
 * The figures of a profiler in Prometheus' text format.
 *
 * @param {object} known
 * @param {types.MemorySample} known.now
 * @param {types.MemorySample[]} known.samples
 * @param {CollectionHistogram[]} known.collections
 * @param {Map<string, number>} known.alertCounts
 */
function prometheus({ now, samples, collections, alertCounts }) {
  const { memory } = now
  const { user, system } = process.cpuUsage()
  const beat = samples.findLast((sample) => sample.process)
  const { fileDescriptors, threads, anonymous, limit, limitUsed } = beat?.process ?? {}
  const scores = samples.findLast((sample) => sample.anomalyScores)?.anomalyScores
  return native.memoryPrometheus({
    ...noMemory,
    ...memory,
    cpuUserSeconds: user / 1e6,
    cpuSystemSeconds: system / 1e6,
    startTimeSeconds: performance.timeOrigin / 1e3,
    nodeVersion: process.version,
    heapSpaces: v8.getHeapSpaceStatistics().map((space) => ({
      name: space.space_name,
      size: space.space_size,
      used: space.space_used_size,
      available: space.space_available_size,
    })),
    delays: Float64Array.from(samples.flatMap(({ eventLoopDelay }) => eventLoopDelay ?? [])),
    collections,
    alerts: named(alertCounts),
    anomalyScores: named(Object.entries(scores ?? {})),
    openDescriptors: fileDescriptors,
    threads,
    anonymous,
    limit,
    limitUsed,
  })
}

/** @param {Iterable<[string, number]>} figures */
function named(figures) {
  return Array.from(figures, ([name, value]) => ({ name, value }))
}

module.exports = { prometheus }
