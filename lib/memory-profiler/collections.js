// @ts-check
'use strict'

// Garbage collections: those that V8 makes, counted, and those that we force.

const { constants, PerformanceObserver } = require('node:perf_hooks')
const v8 = require('node:v8')
const vm = require('node:vm')

const native = require('../internal/native.js')

/** @import * as types from '../memory-profiler.js' */

/** @type {Record<number, types.CollectionKind>} */
const KINDS = {
  [constants.NODE_PERFORMANCE_GC_MINOR]: 'minor',
  [constants.NODE_PERFORMANCE_GC_MAJOR]: 'major',
  [constants.NODE_PERFORMANCE_GC_INCREMENTAL]: 'incremental',
  [constants.NODE_PERFORMANCE_GC_WEAKCB]: 'weakCallbacks',
}

/** What prom-client calls them. @type {[types.CollectionKind, string][]} */
const LABELS = [
  ['minor', 'minor'],
  ['major', 'major'],
  ['incremental', 'incremental'],
  ['weakCallbacks', 'weakcb'],
]
/** Milliseconds that divide short pauses from long ones. */
const BOUNDS = native.collectionBounds().map((seconds) => seconds * 1e3)

const STARTING_MS = 1000

/** Counts V8's collections and their pauses. Does not keep the process alive. */
class CollectionCounter {
  #started = performance.now()
  #ended = 0
  #observer
  /** @type {Record<types.CollectionKind, types.CollectionFigures>} */
  #kinds = { minor: none(), major: none(), incremental: none(), weakCallbacks: none() }
  /** Of each kind, how many pauses lie between the bounds. @type {Map<string, Float64Array>} */
  #pauses = new Map(LABELS.map(([kind]) => [kind, new Float64Array(BOUNDS.length + 1)]))

  /** @param {() => void} onMajor called soon after a major collection */
  constructor(onMajor) {
    this.#observer = new PerformanceObserver((list) => {
      let major = false
      // All of them: many collections can have passed while the event loop was blocked.
      for (const entry of list.getEntries()) {
        const kind = this.#count(entry)
        major ||= kind === 'major'
      }
      if (major) onMajor()
    })
    this.#observer.observe({ entryTypes: ['gc'] })
  }

  /** @param {PerformanceEntry} entry */
  #count(entry) {
    const { detail } = /** @type {PerformanceEntry & { detail: { kind: number } }} */ (entry)
    const kind = KINDS[detail.kind]
    const figures = this.#kinds[kind]
    if (!figures) return
    figures.count++
    figures.duration += entry.duration
    figures.maxDuration = Math.max(figures.maxDuration, entry.duration)
    const beyond = BOUNDS.findIndex((bound) => entry.duration <= bound)
    const pauses = /** @type {Float64Array} */ (this.#pauses.get(kind))
    pauses[beyond < 0 ? BOUNDS.length : beyond]++
    return kind
  }

  stop() {
    this.#ended = performance.now()
    this.#observer.disconnect()
  }

  /** @returns {types.CollectionReport} */
  report() {
    const kinds = structuredClone(this.#kinds)
    const paused = Object.values(kinds).reduce((sum, { duration }) => sum + duration, 0)
    const time = (this.#ended || performance.now()) - this.#started
    return { ...kinds, time, timeShare: paused / time }
  }

  /** The share of the time they took; nothing for the first second, in which V8 collects more than later. */
  timeShare() {
    const { time, timeShare } = this.report()
    return time < STARTING_MS ? undefined : timeShare
  }

  /** As a histogram for each kind. */
  histograms() {
    return LABELS.map(([kind, label]) => ({
      kind: label,
      seconds: this.#kinds[kind].duration / 1e3,
      counts: /** @type {Float64Array} */ (this.#pauses.get(kind)),
    }))
  }
}

function none() {
  return { count: 0, duration: 0, maxDuration: 0 }
}

/** @type {(() => void) | undefined} */
let collect

/** A full collection, with or without `--expose-gc`. Blocks until it is done. */
function collectGarbage() {
  if (!collect) {
    // Somebody may have a variable of that name.
    collect = typeof globalThis.gc === 'function' ? globalThis.gc : undefined
    if (!collect) {
      // A new context gets the function if the flag is set when it is made.
      v8.setFlagsFromString('--expose-gc')
      collect = /** @type {() => void} */ (vm.runInNewContext('gc'))
      v8.setFlagsFromString('--no-expose-gc')
    }
  }
  collect()
}

module.exports = { CollectionCounter, collectGarbage }
