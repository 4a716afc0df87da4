"""Addresses below /api/v1/, without a trailing slash."""

from __future__ import annotations

from django.urls import path

from accounting.api.v1.usage_reports import UsageReportBatchView, UsageReportView

urlpatterns = [
    path("usage-reports", UsageReportView.as_view(), name="usage-reports"),
    path("usage-reports/batch", UsageReportBatchView.as_view(), name="usage-report-batch"),
]
