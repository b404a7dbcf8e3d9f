'use strict'

const { AlertSystem } = require('./monitor/alert-system.js')
const { Monitor } = require('./monitor/monitor.js')

module.exports = { AlertSystem, Monitor }
