// @ts-check
'use strict'

const args = require('../internal/arguments.js')
const { HeapSnapshots } = require('./heap-snapshots.js')
const { usageNow } = require('./readings.js')
const { difference } = require('./report.js')

/** @import * as types from '../memory-profiler.js' */

/** Snapshots by label, and what their heaps hold. */
class Snapshots {
  #heaps = new HeapSnapshots()
  /** @type {Map<string, types.MemorySnapshot>} */
  byLabel = new Map()

  /**
   * @param {string} label
   * @param {Record<string, number>} objectCounts
   * @param {types.SnapshotOptions} options
   * @returns {types.MemorySnapshot | Promise<types.HeapSnapshot>}
   */
  create(label, objectCounts, options) {
    const snapshot = {
      label: args.string('label', label),
      timestamp: Date.now(),
      memory: usageNow(),
      objectCounts,
    }
    if (args.object('options', options).heap) return this.#withHeap(snapshot, options)
    this.byLabel.set(label, snapshot)
    return snapshot
  }

  /**
   * @param {types.MemorySnapshot} snapshot
   * @param {types.SnapshotOptions} options
   */
  async #withHeap(snapshot, options) {
    const complete = await this.#heaps.add(snapshot, options)
    this.byLabel.set(complete.label, complete)
    return complete
  }

  /**
   * @param {string} label1
   * @param {string} label2
   * @returns {types.SnapshotComparison}
   */
  compare(label1, label2) {
    const before = this.byLabel.get(args.string('label1', label1))
    const after = this.byLabel.get(args.string('label2', label2))
    if (!before || !after) {
      const error = new Error('Snapshot not found')
      throw Object.assign(error, {
        code: 'ERR_AIWF_SNAPSHOT_NOT_FOUND',
        label: before ? label2 : label1,
      })
    }
    const heapGrowth = this.#heaps.growth(before, after)
    return {
      timeDiff: after.timestamp - before.timestamp,
      memoryDiff: difference(before.memory, after.memory),
      objectDiff: difference(before.objectCounts, after.objectCounts),
      ...(heapGrowth && { heapGrowth }),
    }
  }

  /** Those with a heap, oldest first. */
  withHeap() {
    return [...this.byLabel.values()].filter(
      /** @returns {snapshot is types.HeapSnapshot} */
      (snapshot) => snapshot.heap !== undefined,
    )
  }
}

module.exports = { Snapshots }
