// @ts-check
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import { describe, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { Worker } from 'node:worker_threads'
import * as imported from '../lib/index.js'
import { traced } from '../lib/internal/errors.js'
import native from '../lib/internal/native.js'
import { promised, settler } from '../lib/internal/settle.js'

const { RateLimiter } = imported
const require = createRequire(import.meta.url)
const library = fileURLToPath(new URL('../lib/index.js', import.meta.url))
const prelude = `const { RateLimiter } = require(${JSON.stringify(library)});`

/** @param {string} code */
function startWorker(code) {
  const workerPrelude = `const { parentPort } = require('node:worker_threads'); ${prelude}`
  return new Worker(workerPrelude + code, { eval: true })
}

/** @param {string} code */
async function runProcess(code) {
  // The deadline only keeps a defect from hanging the suite: a process it ends fails the test.
  const { stdout } = await promisify(execFile)(process.execPath, ['-e', prelude + code], {
    timeout: 60_000,
  })
  return stdout
}

/** Native work that fails, behind the door that all public asynchronous methods use. */
function failingWork() {
  return traced(promised((ticket) => native.__panicInTask(settler, ticket)))
}

describe('a panic', () => {
  const panic = { name: 'Error', code: 'ERR_AIWF_PANIC', message: /panicked: provoked by a test\./ }

  test('on the calling thread throws', () => {
    assert.throws(() => native.__panicHere(), { name: 'Error', message: /provoked by a test/ })
  })

  test('while asynchronous work is started rejects', async () => {
    const starting = promised(() => native.__panicHere())
    await assert.rejects(starting, { name: 'Error', message: /provoked by a test/ })
  })

  test('in asynchronous work rejects', async () => {
    await assert.rejects(
      promised((ticket) => native.__panicInTask(settler, ticket)),
      panic,
    )
  })

  test('in blocking work rejects', async () => {
    await assert.rejects(
      promised((ticket) => native.__panicInBlockingWork(settler, ticket)),
      panic,
    )
  })

  test('leaves everything else at work', async () => {
    const limiter = new RateLimiter(1, 1)
    await Promise.allSettled([failingWork(), limiter.waitForNext(), failingWork()])
    await limiter.waitForNext()
    assert.equal(limiter.getStats().totalRequests, 2)
  })
})

test('an asynchronous error carries the stack of its caller', async () => {
  await assert.rejects(failingWork(), ({ stack }) => {
    assert.match(stack, /boundary\.test\.mjs/)
    return true
  })
})

describe('worker threads', () => {
  test('use the package on their own', async () => {
    const worker = startWorker(`
      const limiter = new RateLimiter(1, 1)
      Promise.all([1, 2, 3].map(() => limiter.waitForNext()))
        .then(() => parentPort.postMessage(limiter.getStats().totalRequests))`)
    const exited = once(worker, 'exit')
    assert.deepEqual(await once(worker, 'message'), [3])
    assert.deepEqual(await exited, [0])
  })

  test('may be terminated with work in flight', async () => {
    const workers = Array.from({ length: 20 }, () =>
      startWorker(`
        const limiter = new RateLimiter(1, 0.1)
        const wait = async () => { for (;;) await limiter.waitForNext() }
        for (let caller = 0; caller < 50; caller++) wait()
        limiter.waitForNext().then(() => parentPort.postMessage('under way'))`),
    )
    await Promise.all(
      workers.map(async (worker) => {
        await once(worker, 'message')
        assert.equal(await worker.terminate(), 1)
      }),
    )
    const limiter = new RateLimiter(1, 1)
    await Promise.all([limiter.waitForNext(), limiter.waitForNext()])
    assert.equal(limiter.getStats().totalRequests, 2)
  })
})

describe('a process', () => {
  test('ends when instances are idle', async () => {
    const code = `
      const limiters = [new RateLimiter(1, 1e9), new RateLimiter(1, 1e9)]
      limiters[0].waitForNext().then(() => console.log('done'))`
    assert.equal(await runProcess(code), 'done\n')
  })

  test('is held by a promise that is pending', async () => {
    const code = `
      const limiter = new RateLimiter(1, 20)
      limiter.waitForNext()
      limiter.waitForNext().then(() => console.log('had its turn'))`
    assert.equal(await runProcess(code), 'had its turn\n')
  })

  test('may exit with work in flight', async () => {
    const code = `
      const limiter = new RateLimiter(1, 1e9)
      limiter.waitForNext()
      limiter.waitForNext()
      process.exit(0)`
    assert.equal(await runProcess(code), '')
  })
})

describe('classes', () => {
  const classes = Object.entries(require('../lib/index.js')).filter(([name]) => /^[A-Z]/.test(name))

  test('are the same by import and by require', () => {
    assert.notEqual(classes.length, 0)
    for (const [name, value] of classes)
      assert.equal(/** @type {any} */ (imported)[name], value, name)
  })

  test('need new', () => {
    for (const [name, value] of classes)
      assert.throws(() => /** @type {any} */ (value)(), TypeError, name)
  })

  test('keep instances apart', async () => {
    const [one, other] = [new RateLimiter(5, 1000), new RateLimiter(5, 1000)]
    await one.waitForNext()
    assert.deepEqual([one.getStats().totalRequests, other.getStats().totalRequests], [1, 0])
  })

  test('can be extended', async () => {
    class Counting extends RateLimiter {
      calls = 0
      /** @override */
      async waitForNext() {
        this.calls++
        await super.waitForNext()
      }
    }
    const limiter = new Counting(1, 1)
    await limiter.waitForNext()
    assert.deepEqual([limiter.calls, limiter.getStats().totalRequests], [1, 1])
    assert.deepEqual(Object.keys(limiter), ['calls'])
  })
})
