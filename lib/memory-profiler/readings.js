// @ts-check
'use strict'

// What only JavaScript can read: V8's figures, the performance timeline, collections.

const { performance } = require('node:perf_hooks')
const v8 = require('node:v8')

const native = require('../internal/native.js')

/** @import * as types from '../memory-profiler.js' */

/** What `getHeapStatistics` has on every Node since 18. @typedef {v8.HeapInfo & { external_memory: number }} Heap */

const { memoryUsage } = process

/**
 * `arrayBuffers` has no source but `process.memoryUsage()`, nine tenths of whose time goes into the resident bytes that
 * native code reads faster. So it is asked ten times a second at most.
 */
const ARRAY_BUFFERS_VALID_MS = 100
const known = { external: 0, at: Number.NEGATIVE_INFINITY, arrayBuffers: 0 }

/**
 * Everything at this moment.
 *
 * @returns {types.MemorySample}
 */
function readSample() {
  const timestamp = Date.now()
  const heap = readHeap()
  return {
    timestamp,
    memory: readMemory(heap, timestamp),
    performance: readMeasures(),
    gc: {
      totalHeapSize: heap.total_heap_size,
      usedHeapSize: heap.used_heap_size,
      heapSizeLimit: heap.heap_size_limit,
    },
  }
}

/**
 * `process.memoryUsage()` from cheaper sources. Array buffers are a part of `external`, and nearly all that changes of
 * it: for a tenth of a second they are taken to have changed by as much.
 *
 * @param {Heap} heap
 * @param {number} now
 * @returns {NodeJS.MemoryUsage}
 */
function readMemory(heap, now) {
  if (isReplaced()) return usageNow()
  const { total_heap_size: heapTotal, used_heap_size: heapUsed, external_memory: external } = heap
  const valid = Math.abs(now - known.at) < ARRAY_BUFFERS_VALID_MS
  let rss = valid ? native.readRss() : undefined
  if (!rss) {
    const usage = memoryUsage()
    rss = usage.rss
    known.external = external
    known.at = now
    known.arrayBuffers = usage.arrayBuffers
  }
  const changed = known.arrayBuffers + external - known.external
  const arrayBuffers = Math.max(0, Math.min(external, changed))
  return { rss, heapTotal, heapUsed, external, arrayBuffers }
}

/**
 * What `process.memoryUsage()` says. Whoever replaced it makes the figures, and those that are none are left out: nothing that
 * it returns or throws may end the program it is called in.
 *
 * @returns {NodeJS.MemoryUsage}
 */
function usageNow() {
  if (!isReplaced()) return memoryUsage()
  /** @type {any} */
  const figures = {}
  try {
    for (const [name, value] of Object.entries(process.memoryUsage())) {
      if (Number.isFinite(value)) figures[name] = value
    }
  } catch {}
  return figures
}

/** For figures that a replaced `process.memoryUsage` leaves out. */
const noMemory = { rss: 0, heapTotal: 0, heapUsed: 0, external: 0, arrayBuffers: 0 }

/** Whether somebody put a function of their own in the place of `process.memoryUsage`. */
function isReplaced() {
  return process.memoryUsage !== memoryUsage
}

/** @returns {Heap} */
function readHeap() {
  return /** @type {Heap} */ (v8.getHeapStatistics())
}

function heapLimit() {
  return v8.getHeapStatistics().heap_size_limit
}

const noMeasures = { totalMeasures: 0, averageDuration: 0, maxDuration: 0, minDuration: 0 }

/** @returns {types.MeasureFigures} */
function readMeasures() {
  const measures = performance.getEntriesByType('measure')
  if (measures.length === 0) return { ...noMeasures }
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

module.exports = { noMemory, readSample, readHeap, readPeak, heapLimit, usageNow, isReplaced }
