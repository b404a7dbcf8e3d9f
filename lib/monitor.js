'use strict'

const { AlertSystem } = require('./monitor/alert-system.js')
const { AnomalyDetector } = require('./monitor/anomaly-detector.js')
const { Monitor } = require('./monitor/monitor.js')

module.exports = { AlertSystem, AnomalyDetector, Monitor }
