// @ts-check
'use strict'

// Loaded into a program before its own code: serves a dashboard of it, on which the objects that it makes of this
// package appear by themselves.

const { isChosen } = require('./program.js')
const { announce, tell, watch } = require('./watch.js')

/** Objects that are watched; a program that makes ever more of them is shown the latest. */
const MOST = 100

/** The modules whose classes are watched, and their exports that a monitor can attach. */
const CLASSES = /** @type {const} */ ({
  '../cache-system.js': ['GitHubAPICache', 'OptimizedGitHubClient', 'RateLimiter'],
  '../file-batch-processor.js': ['FileBatchProcessor'],
  '../memory-profiler.js': ['MemoryProfiler'],
  '../performance-benchmark.js': ['PerformanceBenchmark'],
  '../tuning.js': ['AutoTuner'],
})

const { AIWF_NATIVE_DASHBOARD: options } = process.env

if (options && isChosen()) serve(JSON.parse(options))

/** @param {import('./watch.js').WatchOptions & { json: boolean }} options */
async function serve(options) {
  try {
    const watched = watch(options)
    const index = require('../index.js')
    for (const [file, names] of Object.entries(CLASSES)) {
      const exported = require(file)
      for (const name of names) {
        exported[name] = observed(exported[name], latest(watched.add, watched.remove))
        Object.assign(index, { [name]: exported[name] })
      }
    }
    announce(await watched.serve(), options.json)
  } catch (error) {
    tell(`aiwf-native: ${/** @type {Error} */ (error).message}`)
    process.exit(1)
  }
}

/**
 * The class itself in every respect, but for that it tells of each object it makes, also by its subclasses. What is not
 * shown for an error does its work all the same.
 *
 * @param {new (...args: any[]) => object} original
 * @param {(object: any) => void} onMade
 */
function observed(original, onMade) {
  return new Proxy(original, {
    construct(target, args, newTarget) {
      const made = Reflect.construct(target, args, newTarget)
      try {
        onMade(made)
      } catch (error) {
        const { message } = /** @type {Error} */ (error)
        tell(`aiwf-native: not shown: ${message}`)
      }
      return made
    },
  })
}

/**
 * @param {(object: any) => void} add
 * @param {(object: any) => void} remove
 */
function latest(add, remove) {
  /** @type {any[]} */
  const known = []
  return (/** @type {any} */ object) => {
    known.push(object)
    add(object)
    if (known.length > MOST) remove(known.shift())
  }
}
