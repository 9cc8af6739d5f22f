# The image that autograding runs in, on top of Tango's own: docker build --tag tlb_kit .
FROM autograding_image
USER root
COPY install.sh kit.tar.gz /tmp/package/
# Jobs run as another user, and the kit keeps what it builds in its own folder. In the same step, for another would
# store all of it twice.
RUN bash /tmp/package/install.sh /opt/kit \
    && chmod -R a+rwX /opt/kit \
    && rm -rf /tmp/package /var/lib/apt/lists/*
