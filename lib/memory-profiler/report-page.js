// @ts-check
'use strict'

const { wellFormed } = require('../internal/well-formed.js')

/** @import * as types from '../memory-profiler.js' */
/** @import { Snapshots } from './snapshots.js' */

/** Rows of a table; it says how many there are. */
const SHOWN_CONSTRUCTORS = 25

/**
 * What the page of a report shows, as JSON.
 *
 * @param {types.MemoryReport} report
 * @param {types.MemorySample[]} samples
 * @param {InstanceType<typeof Snapshots>} [snapshots]
 */
function reportPage(report, samples, snapshots) {
  const heaps = snapshots?.withHeap() ?? []
  return wellFormed({
    report,
    samples: samples.map(({ timestamp, memory, eventLoopDelay, heapStale }) => ({
      timestamp,
      memory,
      eventLoopDelay,
      heapStale,
    })),
    heaps: heaps.map(({ label, heap }) => ({ label, ...heap, ...shown(heap.constructors) })),
    growth: snapshots && heaps.length > 1 ? growth(snapshots, heaps) : undefined,
  })
}

/**
 * From the first heap to the last.
 *
 * @param {InstanceType<typeof Snapshots>} snapshots
 * @param {types.HeapSnapshot[]} heaps
 */
function growth(snapshots, heaps) {
  const [from, to] = [heaps[0].label, heaps[heaps.length - 1].label]
  return { from, to, ...shown(snapshots.compare(from, to).heapGrowth) }
}

/** @param {unknown[]} [constructors] */
function shown(constructors = []) {
  return {
    constructors: constructors.slice(0, SHOWN_CONSTRUCTORS),
    constructorCount: constructors.length,
  }
}

module.exports = { reportPage }
