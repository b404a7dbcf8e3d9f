// @ts-check
'use strict'

// What only JavaScript can read: V8's figures, the performance timeline, the end of a collection.

const { constants, performance, PerformanceObserver } = require('node:perf_hooks')
const v8 = require('node:v8')
const vm = require('node:vm')

const native = require('../internal/native.js')

/** @import * as types from '../memory-profiler.js' */

/**
 * Everything at this moment. `process.memoryUsage()` it must be: nothing else tells `arrayBuffers`.
 *
 * @returns {types.MemorySample}
 */
function readSample() {
  return {
    timestamp: Date.now(),
    memory: process.memoryUsage(),
    performance: readMeasures(),
    gc: readHeap(),
  }
}

/** @returns {types.HeapFigures} */
function readHeap() {
  const heap = v8.getHeapStatistics()
  return {
    totalHeapSize: heap.total_heap_size,
    usedHeapSize: heap.used_heap_size,
    heapSizeLimit: heap.heap_size_limit,
  }
}

/** @returns {types.MeasureFigures} */
function readMeasures() {
  const measures = performance.getEntriesByType('measure')
  if (measures.length === 0) {
    return { totalMeasures: 0, averageDuration: 0, maxDuration: 0, minDuration: 0 }
  }
  let [sum, max, min] = [0, 0, Number.POSITIVE_INFINITY]
  for (const { duration } of measures) {
    sum += duration
    max = Math.max(max, duration)
    min = Math.min(min, duration)
  }
  return {
    totalMeasures: measures.length,
    averageDuration: sum / measures.length,
    maxDuration: max,
    minDuration: min,
  }
}

/** @returns {{ rss: number }} */
function readPeak() {
  // Linux keeps the peak of the parent in what Node reports, so there the native reading comes first.
  return { rss: native.peakRss() ?? process.resourceUsage().maxRSS * 1024 }
}

/**
 * Calls `onFloor` soon after every major collection with what it left.
 *
 * @param {(timestamp: number, heapUsed: number, external: number) => void} onFloor
 */
function observeFloors(onFloor) {
  const observer = new PerformanceObserver((list) => {
    const major = list.getEntries().some(isMajor)
    if (!major) return
    const heap = /** @type {v8.HeapInfo & { external_memory: number }} */ (v8.getHeapStatistics())
    onFloor(Date.now(), heap.used_heap_size, heap.external_memory)
  })
  observer.observe({ entryTypes: ['gc'] })
  return observer
}

/** @param {PerformanceEntry} entry */
function isMajor(entry) {
  const { detail } = /** @type {PerformanceEntry & { detail: { kind: number } }} */ (entry)
  return detail.kind === constants.NODE_PERFORMANCE_GC_MAJOR
}

/** @type {(() => void) | undefined} */
let collect

/** A full collection, with or without `--expose-gc`. Blocks until it is done. */
function collectGarbage() {
  if (!collect) {
    collect = globalThis.gc
    if (!collect) {
      // A new context gets the function if the flag is set when it is made.
      v8.setFlagsFromString('--expose-gc')
      collect = /** @type {() => void} */ (vm.runInNewContext('gc'))
      v8.setFlagsFromString('--no-expose-gc')
    }
  }
  collect()
}

module.exports = { readSample, readPeak, observeFloors, collectGarbage }
