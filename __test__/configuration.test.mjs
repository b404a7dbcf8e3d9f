// @ts-check
import assert from 'node:assert/strict'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, test } from 'node:test'
import { features, loadConfig } from '../lib/index.js'

/** @type {string} */
let cwd
/** @type {NodeJS.ProcessEnv} */
let environment
beforeEach(async () => {
  cwd = await mkdtemp(join(tmpdir(), 'aiwf-native-'))
  environment = { ...process.env }
})
afterEach(async () => {
  process.env = environment
  await rm(cwd, { recursive: true })
})

/** @param {unknown} content */
const writeJson = (content) =>
  writeFile(join(cwd, 'aiwf-native.config.json'), JSON.stringify(content))

describe('loadConfig', () => {
  test('has defaults for development and production', () => {
    const development = { cacheSize: 100, batchSize: 10, concurrency: 2 }
    const production = { cacheSize: 1000, batchSize: 100, concurrency: 10 }
    assert.deepEqual(loadConfig('development', { cwd }), development)
    assert.deepEqual(loadConfig('production', { cwd }), production)
    process.env.NODE_ENV = 'production'
    assert.deepEqual(loadConfig(undefined, { cwd }), production)
    process.env.NODE_ENV = 'test'
    assert.deepEqual(loadConfig(undefined, { cwd }), development)
  })

  test('lets file, section and variables override in this order', async () => {
    const production = { batchSize: 8, concurrency: 9 }
    await writeJson({ cacheSize: 7, batchSize: 7, concurrency: 7, production })
    process.env.AIWF_NATIVE_CONCURRENCY = '10'
    process.env.AIWF_NATIVE_CACHE_SIZE = ''
    assert.deepEqual(loadConfig('production', { cwd }), {
      cacheSize: 7,
      batchSize: 8,
      concurrency: 10,
    })
    assert.equal(loadConfig('development', { cwd }).batchSize, 7)
  })

  test('takes a file that exports, and the one that is named', async () => {
    await writeFile(join(cwd, 'aiwf-native.config.js'), 'module.exports = { cacheSize: 3 }')
    await writeJson({ cacheSize: 4 })
    assert.equal(loadConfig('production', { cwd }).cacheSize, 3)
    const file = 'aiwf-native.config.json'
    assert.equal(loadConfig('production', { cwd, file }).cacheSize, 4)
  })

  test('takes an ES module', async () => {
    await writeFile(join(cwd, 'package.json'), '{ "type": "module" }')
    const file = join(cwd, 'aiwf-native.config.js')
    await writeFile(file, 'export default { batchSize: await 5, production: { concurrency: 6 } }')
    assert.deepEqual(loadConfig('production', { cwd }), {
      cacheSize: 1000,
      batchSize: 5,
      concurrency: 6,
    })
    const other = join(cwd, 'other.mjs')
    await writeFile(other, 'export default { batch: 5 }')
    assert.throws(() => loadConfig('production', { cwd, file: other }), { key: 'batch' })
    // What was loaded once is not loaded again.
    await writeFile(join(cwd, 'broken.mjs'), 'await 0; throw new Error("no value")')
    const broken = { code: 'ERR_AIWF_INVALID_CONFIG', message: /broken\.mjs.*no value/s }
    assert.throws(() => loadConfig('production', { cwd, file: 'broken.mjs' }), broken)
  })

  test('takes an ES module whatever else it does', async () => {
    const load = async (/** @type {string} */ content) => {
      const file = join(cwd, `${count++}.mjs`)
      await writeFile(file, `await 0\n${content}`)
      return () => loadConfig('production', { cwd, file })
    }
    let count = 0
    const talking = await load('console.log("loading"); export default { batchSize: 5 }')
    assert.equal(talking().batchSize, 5)
    const open = await load('setInterval(() => {}, 1000); export default { batchSize: 6 }')
    assert.equal(open().batchSize, 6)
    assert.equal((await load('export const batchSize = 7'))().batchSize, 7)
    const invalid = { code: 'ERR_AIWF_INVALID_CONFIG' }
    for (const [content, message] of /** @type {const} */ ([
      ['export default { batchSize: NaN }', /not NaN/],
      ['export default new Map()', /not Map/],
      ['throw null', /cannot be read: null/],
      ['process.exit(3)', /ended without an answer: 3/],
      ['export default () => {}', /could not be cloned/],
    ])) {
      assert.throws(await load(content), { ...invalid, message })
    }
  })

  test('refuses what a module exports that holds no settings', async () => {
    let count = 0
    for (const [content, message] of /** @type {const} */ ([
      ['module.exports = new Map([["batchSize", 7]])', /not Map/],
      ['module.exports = Promise.resolve({ batchSize: 7 })', /not Promise/],
      ['throw null', /cannot be read: null/],
      ['throw "text"', /cannot be read: 'text'/],
    ])) {
      const file = `${count++}.cjs`
      await writeFile(join(cwd, file), content)
      const expected = { code: 'ERR_AIWF_INVALID_CONFIG', message }
      assert.throws(() => loadConfig('production', { cwd, file }), expected)
    }
  })

  test('takes JSON with a byte order mark', async () => {
    await writeFile(join(cwd, 'aiwf-native.config.json'), '\uFEFF{ "batchSize": 50 }')
    assert.equal(loadConfig('production', { cwd }).batchSize, 50)
  })

  for (const [content, key] of /** @type {const} */ ([
    [{ cachesize: 1 }, 'cachesize'],
    [{ batchSize: 0 }, 'batchSize'],
    [{ batchSize: 1.5 }, 'batchSize'],
    [{ production: { concurrency: '4' } }, 'concurrency'],
    [{ production: { typo: 4 } }, 'typo'],
  ])) {
    test(`names the key of ${JSON.stringify(content)}`, async () => {
      await writeJson(content)
      const expected = { code: 'ERR_AIWF_INVALID_CONFIG', key, message: new RegExp(key) }
      assert.throws(() => loadConfig('development', { cwd }), expected)
    })
  }

  test('names the variable and the file that are wrong', async () => {
    process.env.AIWF_NATIVE_BATCH_SIZE = '1e3'
    const wrong = { code: 'ERR_AIWF_INVALID_CONFIG', source: 'AIWF_NATIVE_BATCH_SIZE' }
    assert.throws(() => loadConfig('production', { cwd }), wrong)
    await writeFile(join(cwd, 'aiwf-native.config.json'), '{')
    const broken = { code: 'ERR_AIWF_INVALID_CONFIG', message: /aiwf-native\.config\.json/ }
    assert.throws(() => loadConfig('production', { cwd }), broken)
    const missing = { code: 'ERR_AIWF_INVALID_CONFIG', message: /none\.json/ }
    assert.throws(() => loadConfig('production', { cwd, file: 'none.json' }), missing)
  })

  test('knows two environments', () => {
    const unknown = /** @type {any} */ ('staging')
    assert.throws(() => loadConfig(unknown, { cwd }), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => loadConfig(/** @type {any} */ (1)), { code: 'ERR_INVALID_ARG_TYPE' })
  })
})

test('features are read live', () => {
  process.env.ENABLE_BATCH_PROCESSING = 'true'
  process.env.ENABLE_MEMORY_PROFILING = '1'
  assert.deepEqual({ ...features }, { enableBatchProcessing: true, enableMemoryProfiling: false })
  delete process.env.ENABLE_BATCH_PROCESSING
  process.env.ENABLE_MEMORY_PROFILING = 'true'
  assert.deepEqual({ ...features }, { enableBatchProcessing: false, enableMemoryProfiling: true })
})
