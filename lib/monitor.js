'use strict'

const { Monitor } = require('./monitor/monitor.js')

module.exports = { Monitor }
