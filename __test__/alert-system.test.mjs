// @ts-check
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, describe, mock, test } from 'node:test'
import { AlertSystem, AnomalyDetector, Monitor } from '../lib/index.js'

/** @type {string} */
let folder
before(async () => {
  folder = await mkdtemp(join(tmpdir(), 'aiwf-native-'))
})
after(() => rm(folder, { recursive: true }))

/**
 * @param {import('node:test').TestContext} t
 * @param {import('node:http').RequestListener} listener
 */
async function serve(t, listener) {
  const server = createServer(listener)
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const { port } = /** @type {import('node:net').AddressInfo} */ (server.address())
  return `http://127.0.0.1:${port}/secret`
}

describe('AlertSystem', () => {
  test('calls the override of sendAlert for each value above', () => {
    /** @type {unknown[]} */
    const sent = []
    class Pager extends AlertSystem {
      /** @override @param {import('../lib/index.js').Alert} alert */
      sendAlert(alert) {
        sent.push(alert)
        super.sendAlert(alert)
      }
    }
    const alerts = new Pager()
    const alert = { type: 'threshold_exceeded', metric: 'memory', value: 11, threshold: 10 }
    assert.equal(alerts.checkThreshold('memory', 10, 10), false)
    assert.equal(alerts.checkThreshold('memory', 11, 10), true)
    assert.equal(alerts.checkThreshold('memory', 11, 10), true)
    assert.deepEqual(sent, [alert, alert])
    assert.deepEqual(alerts.history, sent)
  })

  test('tells callback and listeners, and of the end of an episode', () => {
    const alertCallback = mock.fn()
    const onAlert = mock.fn()
    const onResolved = mock.fn()
    const alerts = new AlertSystem({ alertCallback, hysteresis: 0.1, repeatAfter: Infinity })
    alerts.on('alert', onAlert).on('resolved', onResolved)
    for (const value of [101, 99, 102, 90, 103]) alerts.checkThreshold('m', value, 100)
    const values = (/** @type {typeof onAlert} */ { mock: { calls } }) =>
      calls.map((call) => call.arguments[0].value)
    assert.deepEqual(values(alertCallback), [101, 103])
    assert.deepEqual(values(onAlert), [101, 103])
    assert.deepEqual(values(onResolved), [90])
  })

  test('repeats no sooner in a new episode', () => {
    const alerts = new AlertSystem({ repeatAfter: 2 ** 31 })
    const onResolved = mock.fn()
    alerts.on('resolved', onResolved)
    for (const value of [2, 0, 2, 0]) alerts.checkThreshold('m', value, 1)
    assert.equal(alerts.history.length, 1)
    assert.equal(onResolved.mock.callCount(), 1)
  })

  test('applies all rules, whatever one of them meets', () => {
    const alerts = new AlertSystem({
      alertCallback({ metric }) {
        if (metric === 'b') throw new Error('busy')
      },
    })
    alerts.rules = [
      { metric: 'constructor', threshold: 1 },
      { metric: 'a', threshold: 1 },
      { metric: 'b', threshold: 1 },
      { metric: 'c', threshold: 1, hysteresis: undefined, repeatAfter: undefined },
    ]
    const alerted = () => alerts.history.splice(0).map(({ metric }) => metric)
    assert.throws(() => alerts.check({ a: Number.NaN, b: 2, c: 2 }), { code: 'ERR_OUT_OF_RANGE' })
    assert.deepEqual(alerted(), ['b', 'c'])
    assert.throws(() => alerts.check({ a: 2, b: 2, c: 2 }), /busy/)
    assert.deepEqual(alerted(), ['a', 'b', 'c'])
  })

  test('is silent for a metric, until that is ended', () => {
    const alerts = new AlertSystem()
    alerts.silence('m', Infinity)
    assert.equal(alerts.checkThreshold('m', 2, 1), false)
    assert.equal(alerts.checkThreshold('other', 2, 1), true)
    alerts.silence('m', 0)
    assert.equal(alerts.checkThreshold('m', 2, 1), true)
  })

  test('keeps the latest alerts', () => {
    const alerts = new AlertSystem({ maxHistory: 2 })
    for (const value of [2, 3, 4]) alerts.checkThreshold('m', value, 1)
    assert.deepEqual(
      alerts.history.map(({ value }) => value),
      [3, 4],
    )
  })

  test('applies the rules of a file', async () => {
    const file = join(folder, 'rules.json')
    const rules = [
      { metric: 'a', threshold: 1 },
      { metric: 'a', threshold: 5, repeatAfter: 1000 },
      { metric: 'b', threshold: 1 },
    ]
    await writeFile(file, JSON.stringify(rules))
    const alerts = new AlertSystem()
    await alerts.loadRules(file)
    assert.deepEqual(alerts.rules, rules)
    alerts.check({ a: 6, c: 9 })
    alerts.check({ a: 6 })
    assert.deepEqual(
      alerts.history.map((alert) => 'threshold' in alert && alert.threshold),
      [1, 5, 1],
    )
    for (const [text, message] of /** @type {const} */ ([
      ['[{ "metric": "a" }]', /rules\.json: .*rules\[0\]\.threshold/],
      ['[{ "metric": "a", "threshold": 1, "treshold": 1 }]', /rules\[0\]\.treshold/],
      ['[{ "metric": "a", "threshold": 1, "hysteresis": 2 }]', /rules\[0\]\.hysteresis/],
      ['{}', /rules/],
      ['[', /rules\.json/],
    ])) {
      await writeFile(file, text)
      await assert.rejects(alerts.loadRules(file), { code: 'ERR_AIWF_INVALID_RULES', message })
    }
    await assert.rejects(alerts.loadRules(join(folder, 'none')), { code: 'ENOENT' })
    assert.equal(alerts.rules.length, 3)
  })

  test('posts to the webhook', async (t) => {
    /** @type {Buffer[]} */
    const body = []
    const url = await serve(t, async (request, response) => {
      for await (const chunk of request) body.push(chunk)
      response.end()
    })
    const alerts = new AlertSystem({ webhook: { url } })
    const delivered = once(alerts, 'delivered')
    alerts.checkThreshold('m', 2, 1)
    const [alert] = await delivered
    assert.deepEqual(JSON.parse(Buffer.concat(body).toString()), alert)
  })

  test('posts as what it is told to', async (t) => {
    /** @type {(string | undefined)[]} */
    const types = []
    const url = await serve(t, (request, response) => {
      types.push(request.headers['content-type'])
      response.end()
    })
    const headers = { 'content-type': 'application/vnd.example+json' }
    const alerts = new AlertSystem({ webhook: { url, headers } })
    const delivered = once(alerts, 'delivered')
    alerts.checkThreshold('m', 2, 1)
    await delivered
    assert.deepEqual(types, ['application/vnd.example+json'])
  })

  test('posts a few at once, and gives up what is too much', async (t) => {
    /** @type {import('node:http').ServerResponse[]} */
    const held = []
    let holding = true
    let most = 0
    let open = 0
    const url = await serve(t, (request, response) => {
      most = Math.max(most, ++open)
      response.on('close', () => open--)
      request.resume()
      if (holding) held.push(response)
      else response.end()
    })
    const alerts = new AlertSystem({ webhook: { url, timeout: 2 ** 31 - 1 } })
    const undelivered = mock.fn()
    let delivered = 0
    const all = new Promise((resolve) => {
      alerts.on('delivered', () => ++delivered === 1004 && resolve(undefined))
    })
    alerts.on('undelivered', undelivered)
    for (let count = 0; count < 2000; count++) alerts.checkThreshold('m', 2, 1)
    await new Promise(setImmediate)
    assert.equal(undelivered.mock.callCount(), 996)
    assert.equal(undelivered.mock.calls[0].arguments[1].code, 'ERR_AIWF_WEBHOOK_BUSY')
    while (held.length < 4) await new Promise(setImmediate)
    holding = false
    for (const response of held) response.end()
    await all
    assert.ok(most <= 4, `${most} at once`)
    assert.equal(undelivered.mock.callCount(), 996)
  })

  test('sends nothing out of the process without a webhook', (t) => {
    const fetch = t.mock.method(globalThis, 'fetch')
    new AlertSystem().checkThreshold('m', 2, 1)
    assert.equal(fetch.mock.callCount(), 0)
  })

  test('tells of a webhook that fails or does not answer, without its address', async (t) => {
    const refusing = await serve(t, (_request, response) => response.writeHead(500).end())
    const silent = await serve(t, () => {})
    for (const [url, timeout, reason] of /** @type {const} */ ([
      [refusing, 60_000, /HTTP 500/],
      [silent, 50, /timeout/],
    ])) {
      const alerts = new AlertSystem({ webhook: { url, timeout } })
      const undelivered = once(alerts, 'undelivered')
      alerts.checkThreshold('m', 2, 1)
      const [alert, error] = await undelivered
      assert.equal(alert.metric, 'm')
      assert.match(error.message, reason)
      assert.doesNotMatch(error.message, /secret/)
    }
  })

  test('checks its arguments', () => {
    const create = /** @type {any} */ (AlertSystem)
    assert.throws(() => create(), TypeError)
    assert.throws(() => new create({ hysteresis: 2 }), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => new create({ webhook: { url: 'file:///x' } }), {
      code: 'ERR_INVALID_ARG_VALUE',
    })
    for (const options of [
      { webhook: '' },
      { webhook: { url: 'http://user:s3cret@127.0.0.1/' } },
      { webhook: { url: 'http://127.0.0.1/', timeout: 2500.5 } },
      { webhook: { url: 'http://127.0.0.1/', headers: 's3cret' } },
      { webhook: { url: 'http://127.0.0.1/', headers: { 's3cret name': 'x' } } },
      { webhook: { url: 'http://127.0.0.1/', headers: { authorization: 's3cret\n\n1' } } },
      { webhook: { url: 'http://127.0.0.1/', headers: { 'Content-Length': '3' } } },
      { alertCallback: 0 },
    ]) {
      assert.throws(
        () => new create(options),
        ({ code, message }) => /^ERR_(INVALID|OUT)/.test(code) && !/s3cret/.test(message),
      )
    }
    const alerts = new create()
    assert.throws(() => alerts.sendAlert({}), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => alerts.checkThreshold(1, 1, 1), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => alerts.checkThreshold('m', Number.NaN, 1), { code: 'ERR_OUT_OF_RANGE' })
    assert.throws(() => alerts.sendAlert(), { code: 'ERR_INVALID_ARG_TYPE' })
    assert.throws(() => alerts.silence('m', -1), { code: 'ERR_OUT_OF_RANGE' })
  })
})

describe('anomalies', () => {
  /** 60 values that swing around 100 by 1. */
  const usual = Array.from({ length: 60 }, (_, at) => 100 + (at % 3) - 1)

  test('a detector tells spikes and shifts', () => {
    const detector = new AnomalyDetector()
    assert.ok(usual.every((value) => detector.push(value) === null))
    const spike = detector.push(150)
    assert.equal(spike?.kind, 'spike')
    assert.ok(spike.score > 6 && Math.abs(spike.expected - 100) < 1)
    const shifts = usual.map((value) => detector.push(value + 2)).filter(Boolean)
    assert.deepEqual(
      shifts.map((found) => found?.kind),
      ['shift'],
    )
    assert.throws(() => detector.push(Number.NaN), { code: 'ERR_OUT_OF_RANGE' })
  })

  test('a monitor feeds its alerts, by rule and by stream', () => {
    const alerts = new AlertSystem()
    alerts.rules = [{ metric: 'latency', threshold: 120 }]
    const monitor = new Monitor({ alerts })
    for (const value of usual) {
      monitor.record('latency', value)
      monitor.record('other', value * 1000)
    }
    assert.deepEqual(alerts.history, [])
    monitor.record('latency', 150)
    assert.deepEqual(
      alerts.history.map(({ type, metric, value }) => ({ type, metric, value })),
      [
        { type: 'threshold_exceeded', metric: 'latency', value: 150 },
        { type: 'anomaly_detected', metric: 'latency', value: 150 },
      ],
    )
    alerts.silence('latency', Infinity)
    monitor.record('latency', 150)
    assert.equal(alerts.history.length, 2)
  })

  test('watches a bounded number of streams', () => {
    const alerts = new AlertSystem()
    for (let count = 0; count < 1000; count++) alerts.observe(`metric ${count}`, 1)
    assert.throws(() => alerts.observe('one more', 1), { code: 'ERR_OUT_OF_RANGE' })
    assert.equal(alerts.observe('metric 0', 1), false)
  })
})
