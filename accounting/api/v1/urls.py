"""Addresses below /api/v1/, without a trailing slash."""

from __future__ import annotations

from django.urls import path

from accounting.api.v1.balance import BalanceView
from accounting.api.v1.entries import EntriesView
from accounting.api.v1.estimates import ComparisonView, EstimateCalibrationView, EstimatesView
from accounting.api.v1.jobs import JobsView, JobView
from accounting.api.v1.openeo_estimate import OpenEoEstimateView
from accounting.api.v1.usage_reports import UsageReportBatchView, UsageReportView

urlpatterns = [
    path("usage-reports", UsageReportView.as_view(), name="usage-reports"),
    path("usage-reports/batch", UsageReportBatchView.as_view(), name="usage-report-batch"),
    path("balance", BalanceView.as_view(), name="balance"),
    path("entries", EntriesView.as_view(), name="entries"),
    path("jobs", JobsView.as_view(), name="jobs"),
    path("jobs/<path:source>/<str:job_id>", JobView.as_view(), name="job"),
    path("estimates", EstimatesView.as_view(), name="cost-estimates"),
    path("estimates/comparison", ComparisonView.as_view(), name="estimate-comparison"),
    path("estimates/calibration", EstimateCalibrationView.as_view(), name="estimate-calibration"),
    path("openeo/estimate", OpenEoEstimateView.as_view(), name="openeo-estimate"),
]
