"""Making an IR faster without changing what it computes: portable rewrites of the graph, and tuning for one CPU.

A shared package: conversion uses it, evaluation may, and neither is known here.
"""
