// @ts-check
'use strict'

const { randomUUID } = require('node:crypto')
const fs = require('node:fs/promises')
const os = require('node:os')
const path = require('node:path')

/** @import * as types from '../performance-benchmark.js' */

const CONTENT = 'benchmark content\n'.repeat(1000)

/** @implements {types.BenchmarkSuites} */
// biome-ignore lint/complexity/noStaticOnlyClass: the name and form callers know
class BenchmarkSuites {
  static fileOperations() {
    return suite('File Operations', {
      'File Read Performance': () =>
        withFile(async (file) => {
          await fs.writeFile(file, CONTENT)
          return timed(() => fs.readFile(file, 'utf8'))
        }),
      'File Write Performance': () => withFile((file) => timed(() => fs.writeFile(file, CONTENT))),
    })
  }

  static memoryOperations() {
    return suite('Memory Operations', {
      'Array Creation': () => timed(() => new Array(100_000).fill(0)),
      'Object Creation': () =>
        timed(() => {
          /** @type {Record<string, string>} */
          const object = {}
          for (let index = 0; index < 10_000; index++) object[`key${index}`] = `value${index}`
          return object
        }),
    })
  }

  static githubAPICache() {
    return suite('GitHub API Cache', { 'Cache Hit Performance': cacheHit })
  }
}

/**
 * @param {string} name
 * @param {Record<string, () => Promise<object>>} tests
 */
function suite(name, tests) {
  return { name, tests: Object.entries(tests).map(([name, fn]) => ({ name, fn })) }
}

/**
 * How long `work` took, in milliseconds.
 *
 * @param {() => unknown} work
 */
async function timed(work) {
  const start = performance.now()
  await work()
  return { duration: performance.now() - start }
}

/**
 * Lends the path of a file that is gone afterwards.
 *
 * @template T
 * @param {(file: string) => Promise<T>} use
 */
async function withFile(use) {
  const file = path.join(os.tmpdir(), `aiwf-benchmark-${randomUUID()}.txt`)
  try {
    return await use(file)
  } finally {
    await fs.rm(file, { force: true })
  }
}

async function cacheHit() {
  const { GitHubAPICache } = require('../cache-system.js')
  const folder = await fs.mkdtemp(path.join(os.tmpdir(), 'aiwf-benchmark-'))
  try {
    const cache = new GitHubAPICache(folder)
    await cache.init()
    const url = 'https://api.github.com/repos/octocat/hello-world'
    await cache.set(url, { name: 'hello-world' })
    const { duration } = await timed(() => cache.get(url))
    await cache.clear()
    return duration > 0 ? { duration, throughput: 1000 / duration } : { duration }
  } finally {
    await fs.rm(folder, { recursive: true, force: true, maxRetries: 3 })
  }
}

module.exports = { BenchmarkSuites }
