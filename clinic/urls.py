"""Every address of the page.

It only names views; who may call them stands there.
"""

from django.contrib import admin
from django.contrib.auth import views as auth
from django.contrib.auth.decorators import login_not_required
from django.urls import path
from django.views.i18n import set_language

from clinic.cases import views

admin.site.site_header = admin.site.site_title = 'Clinic'
urlpatterns = [
    path('', views.home, name='home'),
    path('favicon.ico', views.icon, name='icon'),
    path('login/', auth.LoginView.as_view(redirect_authenticated_user=True), name='login'),
    path('logout/', auth.LogoutView.as_view(), name='logout'),
    path('password/', auth.PasswordChangeView.as_view(success_url='/'), name='password'),
    # For everybody: it changes nothing but a cookie, and the login page too has the switch.
    path('language/setlang/', login_not_required(set_language), name='set_language'),
    path('face/', views.face, name='face'),
    path('video/', views.video, name='video'),
    path('guided/', views.guided, name='guided'),
    path('scan/', views.scan, name='scan'),
    path('cases/', views.cases, name='cases'),
    path('cases/<uuid:case_id>/', views.case, name='case'),
    path('cases/<uuid:case_id>/file/<str:name>', views.case_file, name='case_file'),
    path('cases/<uuid:case_id>/state', views.case_state, name='case_state'),
    path('cases/<uuid:case_id>/report.pdf', views.case_pdf, name='case_pdf'),
    path('cases/<uuid:case_id>/report.html', views.case_html, name='case_html'),
    path('cases/<uuid:case_id>/fhir.json', views.case_fhir, name='case_fhir'),
    path('cases/<uuid:case_id>/delete/', views.delete, name='delete'),
    path('cases/<uuid:case_id>/opinion/', views.give_opinion, name='opinion'),
    path('queue/', views.queue, name='queue'),
    path('queue/<int:opinion_id>/', views.decide, name='decide'),
    path('people/', admin.site.urls),
]
