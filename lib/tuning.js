'use strict'

const { AutoTuner } = require('./tuning/auto-tuner.js')

module.exports = { AutoTuner }
