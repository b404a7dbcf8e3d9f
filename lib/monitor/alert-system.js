// @ts-check
'use strict'

const { EventEmitter } = require('node:events')
const { readFile } = require('node:fs/promises')
const args = require('../internal/arguments.js')
const native = require('../internal/native.js')
const { AnomalyDetector } = require('./anomaly-detector.js')
const { Webhook } = require('./webhook.js')

/** @import * as types from '../monitor.js' */

// Verdicts, as native code numbers them.
const RAISE = 1
const RESOLVED = 2

/** Streams that are watched for anomalies; more names are a defect of the caller. */
const MOST_STREAMS = 1000

const RULE_KEYS = ['metric', 'threshold', 'hysteresis', 'repeatAfter']

/**
 * @extends {EventEmitter<types.AlertEvents>}
 * @implements {types.AlertSystem}
 */
class AlertSystem extends EventEmitter {
  #native = new native.NativeAlerts()
  #defaults
  #maxHistory
  #webhook
  /** @type {types.AlertRule[]} */
  #rules = []
  /** @type {Map<string, types.AnomalyDetector>} */
  #streams = new Map()

  /** The latest alerts sent, oldest first. @type {types.Alert[]} */
  history = []

  /** @param {types.AlertSystemOptions} [options] */
  constructor(options = {}) {
    super()
    args.object('options', options)
    const { hysteresis = 0, repeatAfter = 0, maxHistory = 1000, alertCallback, webhook } = options
    this.#defaults = checkedJudgement({ hysteresis, repeatAfter }, 'options.')
    this.#maxHistory = args.integer('options.maxHistory', maxHistory, 1)
    this.#webhook = webhook === undefined ? undefined : new Webhook(webhook)
    if (alertCallback !== undefined) args.callback('options.alertCallback', alertCallback)
    /** @type {types.AlertSystemOptions['alertCallback']} */
    this.alertCallback = alertCallback
  }

  get rules() {
    return this.#rules.map((rule) => ({ ...rule }))
  }

  set rules(rules) {
    this.#rules = checkedRules(rules)
  }

  /** @param {string | URL} file */
  async loadRules(file) {
    const path = args.path('file', file)
    const text = await readFile(path, 'utf8')
    try {
      this.#rules = checkedRules(JSON.parse(text))
    } catch (error) {
      const { message } = /** @type {Error} */ (error)
      throw Object.assign(new Error(`${path}: ${message}`, { cause: error }), {
        code: 'ERR_AIWF_INVALID_RULES',
      })
    }
  }

  /** @param {Record<string, number>} metrics */
  check(metrics) {
    args.object('metrics', metrics)
    const failures = []
    for (const { metric, threshold, ...judgement } of this.#rules) {
      try {
        const value = Object.hasOwn(metrics, metric) ? metrics[metric] : undefined
        if (value !== undefined) this.#judge(metric, value, threshold, judgement)
      } catch (error) {
        failures.push(error)
      }
    }
    if (failures.length > 0) throw failures[0]
  }

  /**
   * @param {string} metric
   * @param {number} value
   * @param {number} threshold
   */
  checkThreshold(metric, value, threshold) {
    return this.#judge(metric, value, threshold, {})
  }

  /**
   * @param {string} metric
   * @param {number} value
   * @param {number} threshold
   * @param {types.AlertJudgement} judgement
   */
  #judge(metric, value, threshold, judgement) {
    args.string('metric', metric)
    args.number('value', value, -Infinity, Infinity)
    args.number('threshold', threshold, -Infinity, Infinity)
    const { hysteresis = this.#defaults.hysteresis, repeatAfter = this.#defaults.repeatAfter } =
      judgement
    const verdict = this.#native.judge(metric, value, threshold, hysteresis, repeatAfter)
    if (verdict === RAISE) this.sendAlert({ type: 'threshold_exceeded', metric, value, threshold })
    if (verdict === RESOLVED) this.emit('resolved', { metric, value, threshold })
    return verdict === RAISE
  }

  /**
   * @param {string} metric
   * @param {number} value
   */
  observe(metric, value) {
    const anomaly = this.#stream(args.string('metric', metric)).push(value)
    if (!anomaly || this.#native.silenced(metric)) return false
    this.sendAlert({ type: 'anomaly_detected', metric, value, ...anomaly })
    return true
  }

  /** @param {string} metric */
  #stream(metric) {
    const known = this.#streams.get(metric)
    if (known) return known
    if (this.#streams.size >= MOST_STREAMS) {
      throw args.outOfRange('metric', `one of the ${MOST_STREAMS} names used before`, metric)
    }
    const detector = new AnomalyDetector()
    this.#streams.set(metric, detector)
    return detector
  }

  /** @param {types.Alert} alert */
  sendAlert(alert) {
    args.string('alert.type', args.object('alert', alert).type)
    this.history.push(alert)
    if (this.history.length > this.#maxHistory) this.history.shift()
    if (this.#webhook) this.#post(this.#webhook, alert)
    this.alertCallback?.(alert)
    this.emit('alert', alert)
  }

  /**
   * @param {string} metric
   * @param {number} duration
   */
  silence(metric, duration) {
    args.string('metric', metric)
    this.#native.silence(metric, args.number('duration', duration, 0, Infinity))
  }

  /**
   * @param {InstanceType<typeof Webhook>} webhook
   * @param {types.Alert} alert
   */
  async #post(webhook, alert) {
    const failure = await webhook.post(alert)
    if (failure) this.emit('undelivered', alert, failure)
    else this.emit('delivered', alert)
  }
}

/**
 * @template {types.AlertJudgement} T
 * @param {T} judgement
 * @param {string} prefix
 */
function checkedJudgement(judgement, prefix) {
  const { hysteresis, repeatAfter } = judgement
  if (hysteresis !== undefined) args.number(`${prefix}hysteresis`, hysteresis, 0, 1)
  if (repeatAfter !== undefined) args.number(`${prefix}repeatAfter`, repeatAfter, 0, Infinity)
  return judgement
}

/** @param {unknown} rules */
function checkedRules(rules) {
  if (!Array.isArray(rules)) throw args.invalidType('rules', 'an instance of Array', rules)
  return rules.map((rule, index) => {
    const name = `rules[${index}]`
    args.object(name, rule)
    const unknown = Object.keys(rule).find((key) => !RULE_KEYS.includes(key))
    if (unknown) {
      throw args.invalidValue(`${name}.${unknown}`, 'is unknown', rule[unknown])
    }
    args.string(`${name}.metric`, rule.metric)
    args.number(`${name}.threshold`, rule.threshold, -Infinity, Infinity)
    return checkedJudgement({ ...rule }, `${name}.`)
  })
}

module.exports = { AlertSystem }
